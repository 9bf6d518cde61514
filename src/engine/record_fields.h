/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that map struct container to Docker's Config and HostConfig objects, in Docker's field
 * order (20.10, API 1.41), and to the members of config.v2.json and hostconfig.json around them. */
#ifndef CLOCHE_ENGINE_RECORD_FIELDS_H
#define CLOCHE_ENGINE_RECORD_FIELDS_H

#include "engine/fields.h"

#define RECORD_SCHEMA_VERSION 1

struct field_table {
	const struct field *fields;
	size_t count;
};

/* All four have struct container as their base. */
extern const struct field_table record_config_fields;     /* "Config" */
extern const struct field_table record_hostconfig_fields; /* "HostConfig" */
extern const struct field_table record_v2_file;           /* config.v2.json */
extern const struct field_table record_hostconfig_file;   /* hostconfig.json */

#endif
