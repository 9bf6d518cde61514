/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of a scope as words on the command line, NAME=VALUE, and as what the bus wants. The names
 * are systemd's own (org.freedesktop.systemd1(5), systemd.resource-control(5)).
 */
#ifndef CLOCHE_ENGINE_SYSTEMD_PROPERTIES_H
#define CLOCHE_ENGINE_SYSTEMD_PROPERTIES_H

#include <systemd/sd-bus.h>

#include "base/err.h"

/* Appends one (sv) of an open a(sv): numbers ("infinity" is no limit), booleans ("yes", "no"),
 * strings, sets of processors ("0-2,5"), or DeviceAllow=PATH:rwm[,PATH:rwm...]. ERR_INVALID for an
 * unknown name or a malformed value. */
int must_check property_append(sd_bus_message *m, const char *word, struct err *err);

#endif
