/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the configuration's decoder share; nothing outside oci/ includes this. */
#ifndef CLOCHE_OCI_RUNTIME_DECODE_H
#define CLOCHE_OCI_RUNTIME_DECODE_H

#include "oci/decode.h"
#include "oci/runtime_config.h"

/* decode_fn for "process" (out: struct oci_process), "linux", an element of "uidMappings" and
 * "gidMappings" (out: struct oci_config), "resources" (out: struct cgroup_resources). */
int must_check oci_decode_process(struct decode *d, struct json_object *v, void *out);
int must_check oci_decode_linux(struct decode *d, struct json_object *v, void *out);
int must_check oci_decode_uid_map(struct decode *d, struct json_object *v, void *out);
int must_check oci_decode_gid_map(struct decode *d, struct json_object *v, void *out);
int must_check oci_decode_resources(struct decode *d, struct json_object *v, void *out);

#endif
