/*
 * thread - one of our own, that no signal comes to: those are for the program's first thread, which
 * waits for them in its loop.
 */
#ifndef LIB_BASE_THREAD_H
#define LIB_BASE_THREAD_H

#include <pthread.h>

int thread_start(pthread_t *thread, void *(*run)(void *), void *arg);	/* 0, or the errno of why not */

#endif
