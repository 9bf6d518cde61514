/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a hostile config.json: decoding must neither crash nor leak, and what it accepts must
 * survive encoding and decoding again. The same bytes are tried as a seccomp profile, which is the
 * other JSON a user may hand in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "kernel/seccomp_profile.h"
#include "oci/runtime_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct oci_config c, again;
	struct cgroup_resources r;
	struct seccomp_profile p;
	struct err err;

	if (oci_config_parse(text, size, "config.json", &c, &err) == 0) {
		auto_free char *encoded = oci_config_encode(&c);

		if (oci_config_parse(encoded, strlen(encoded), "encoded", &again, &err))
			abort();
		oci_config_free(&again);
		oci_config_free(&c);
	}
	if (oci_resources_parse(text, size, "resources", &r, &err) == 0)
		oci_resources_free(&r);
	if (seccomp_profile_parse(text, size, "profile", 1, &p, &err) == 0)
		seccomp_profile_free(&p);
	return 0;
}
