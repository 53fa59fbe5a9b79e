#ifndef COMPANIONWAY_CQRENCODE_SHIM_H
#define COMPANIONWAY_CQRENCODE_SHIM_H

#include <errno.h>
#include <qrencode.h>

/* `errno` is a macro that Swift does not see; it is read at once, before anything else can set it. */
static inline QRcode *shim_qr_encode(const unsigned char *text, int count, QRecLevel level, int *reason) {
    QRcode *symbol = QRcode_encodeData(count, text, 0, level);
    *reason = symbol ? 0 : errno;
    return symbol;
}

/* The constants, because a macro's value is another one on every system. */
static inline int shim_qr_is_too_long(int reason) { return reason == ERANGE; }

#endif
