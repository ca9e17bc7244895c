/*
 * program - main(), of a program that may be one of several in one file (spool/main-small.c).
 *
 *	int
 *	PROGRAM(bsmtp)(int argc, char **argv)
 *	{
 *
 * defines bsmtp_main(), and a main() that calls it unless another one is linked, too.
 */
#ifndef LIB_BASE_PROGRAM_H
#define LIB_BASE_PROGRAM_H

#define PROGRAM(name) \
	name##_main(int argc, char **argv); \
	int main(int argc, char **argv) __attribute__((weak)); \
	int main(int argc, char **argv) { return name##_main(argc, argv); } \
	int name##_main

#endif
