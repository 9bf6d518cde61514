/* SPDX-License-Identifier: Apache-2.0 */
/* What cloche-runtime supports, as the specification's features document. Source: runtime-spec
 * features.md and features-linux.md. */
#ifndef CLOCHE_OCI_RUNTIME_FEATURES_H
#define CLOCHE_OCI_RUNTIME_FEATURES_H

/* The JSON text, indented; the caller frees it. */
char *oci_features_encode(void);

#endif
