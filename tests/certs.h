/*
 * certs - certificates for tests, made when they are wanted.
 *
 *	certs_make("ca", "Test CA", 30, NULL);			ca.pem, ca.key
 *	certs_make("mx", "mx.example *.mx.example 127.0.0.1", 30, "ca");
 *
 * ECDSA, valid from an hour ago for so many days (fewer than none: it has expired), signed by
 * another of them or, with NULL, a CA of its own.  A word of names that is numbers and dots is
 * an address, one with '@' a mailbox; the first name is the subject's too.
 */
#ifndef TESTS_CERTS_H
#define TESTS_CERTS_H

#include <stdbool.h>

enum { CERTS_PIN = 72 };

void certs_make(const char *prefix, const char *names, int days, const char *ca);
/* "sha256:..." of the certificate, or of its public key. */
void certs_pin(const char *prefix, bool key, char pin[CERTS_PIN]);

#endif
