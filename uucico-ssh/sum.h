/*
 * sum - the checksums of the UUCP protocols (uucp-wire has their vectors).
 */
#ifndef UUCICO_SSH_SUM_H
#define UUCICO_SSH_SUM_H

#include "lib/base/str.h"

uint32_t sum_crc(struct span bytes);	/* i: CRC-32 without the final complement */
uint16_t sum_turning(struct span bytes);	/* y: rotate left, add */
uint16_t sum_field(struct span bytes);	/* g: over the whole data field */

#endif
