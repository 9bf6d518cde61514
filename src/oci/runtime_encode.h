/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the configuration's encoder share. Results belong to the caller. */
#ifndef CLOCHE_OCI_RUNTIME_ENCODE_H
#define CLOCHE_OCI_RUNTIME_ENCODE_H

#include "oci/runtime_config.h"

struct json_object;

struct json_object *oci_encode_process(const struct oci_process *p);
struct json_object *oci_encode_linux(const struct oci_config *c);
struct json_object *oci_encode_id_maps(const struct oci_id_map *maps, size_t count);
struct json_object *oci_encode_resources(const struct cgroup_resources *r);

#endif
