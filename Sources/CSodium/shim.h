#ifndef COMPANIONWAY_CSODIUM_SHIM_H
#define COMPANIONWAY_CSODIUM_SHIM_H

#include <sodium.h>

#endif
