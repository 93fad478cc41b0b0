/* What the parts of the POSIX port have in common; not for others. */
#ifndef EDGEGW_POSIX_INTERNAL_H
#define EDGEGW_POSIX_INTERNAL_H

#include "edgegw_posix.h"
#include <sys/types.h>

/* Results of tls_… and of reads and writes besides a number of bytes. */
enum { LINK_AGAIN = 0, LINK_GONE = -1 };

/* Reads the CA. */
int edgegw_posix_tls_init(struct edgegw_posix *p);
void edgegw_posix_tls_free(struct edgegw_posix *p);
/* Begins TLS on an open socket; LINK_GONE when that cannot be. */
int edgegw_posix_tls_open(struct edgegw_posix *p, struct edgegw_posix_link *l);
/* Goes on with the handshake: 1 when it is done. */
int edgegw_posix_tls_shake(struct edgegw_posix *p, struct edgegw_posix_link *l);
ssize_t edgegw_posix_tls_read(struct edgegw_posix_link *l, uint8_t *out, size_t size);
ssize_t edgegw_posix_tls_write(struct edgegw_posix_link *l, const uint8_t *bytes, size_t n);
void edgegw_posix_tls_close(struct edgegw_posix_link *l);

#endif
