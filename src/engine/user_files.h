/* SPDX-License-Identifier: Apache-2.0 */
/* The passwd and group files of a container's root, as text for user_resolve(). */
#ifndef CLOCHE_ENGINE_USER_FILES_H
#define CLOCHE_ENGINE_USER_FILES_H

/* Reads /etc/passwd and /etc/group below the directory root. Each that is a readable plain file of
 * sensible size replaces its slot, which is heap-owned; the other stays. */
void user_files_read(int root, char **passwd, char **group);

#endif
