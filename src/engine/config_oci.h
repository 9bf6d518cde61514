/* SPDX-License-Identifier: Apache-2.0 */
/* From a container's record to the OCI configuration it runs with. */
#ifndef CLOCHE_ENGINE_CONFIG_OCI_H
#define CLOCHE_ENGINE_CONFIG_OCI_H

#include "engine/engine.h"
#include "engine/user.h"
#include "oci/runtime_config.h"

/* What the namespaces of c are, without anything that needs the image: known as soon as the options
 * are. ERR_UNSUPPORTED for modes this version lacks. */
int must_check container_namespaces(const struct container_config *config, struct oci_config *out,
				    struct err *err);
/* Fills what concerns the process and its limits, of which quiet_limits gets those nobody asked for
 * (1 << RLIMIT_*). */
int must_check container_process(const struct container *c, const struct user_identity *user,
				 struct oci_config *out, uint32_t *quiet_limits, struct err *err);
/* Fills the rest. run_dir is <run>/containers/<id>, where the network files lie; cgroup_path the
 * group's. quiet_limits gets the limits nobody asked for (1 << RLIMIT_*). */
int must_check container_to_oci(struct engine *e, const struct container *c,
				const struct user_identity *user, const char *run_dir,
				const char *cgroup_path, struct oci_config *out,
				uint32_t *quiet_limits, struct err *err);
/* Limits, and devices with their rules. */
int must_check container_resources(const struct container_config *c, struct oci_config *out,
				   struct err *err);
int must_check container_devices(const struct container_config *c, struct oci_config *out,
				 struct err *err);
/* The capabilities c starts with. */
int must_check container_capabilities(const struct container_config *config, uint64_t *mask,
				      struct err *err);
/* The value of a --security-opt ("seccomp", "no-new-privileges"): text after = or :, "" when the key
 * stands alone, NULL when it is not there. */
const char *container_security_option(const struct container_config *config, const char *key);
int must_check container_validate_restart(const struct container_config *config, struct err *err);
/* Those of the checks of container_validate() that are about limits. */
int must_check container_validate_limits(const struct container_config *config, struct err *err);
/* Takes back, with Docker's warnings, what this host's control groups cannot do. */
void container_discard_unsupported(const struct cgroup_layout *cgroups,
				   struct container_config *config, struct strv *warnings);
/* Checks limits and names as Docker does at creation, with its texts. */
int must_check container_validate(const struct container_config *config, struct err *err);

#endif
