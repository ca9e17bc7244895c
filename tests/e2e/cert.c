/* cert PREFIX NAMES DAYS [CA-PREFIX]: a certificate for a test (tests/certs.h); cert PREFIX:
 * its fingerprint. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/certs.h"

int
main(int argc, char **argv)
{
	char pin[CERTS_PIN];

	if (argc == 2) {
		certs_pin(argv[1], false, pin);
		puts(pin);
		return 0;
	}
	if (argc != 4 && argc != 5) {
		fputs("usage: cert PREFIX NAMES DAYS [CA-PREFIX] | cert PREFIX\n", stderr);
		return 64;
	}
	certs_make(argv[1], argv[2], atoi(argv[3]), argc == 5 ? argv[4] : NULL);
	return 0;
}
