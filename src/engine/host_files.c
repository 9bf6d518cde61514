/* SPDX-License-Identifier: Apache-2.0 */
/* The three network files. Made anew at each start, as Docker does. */
#include "engine/host_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

#define HOST_FILE_MAX 65536

static int write_file(int dir, const char *name, const char *text, size_t n, struct err *err)
{
	/* Into a directory that only we know of: no need to write aside. */
	auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int rc = fd < 0 ? -errno : fd_write_all(fd, text, n);

	/* The container's users must be able to read them, whatever our umask. */
	if (rc == 0 && fchmod(fd, 0644) < 0)
		rc = -errno;
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s: %s", name, err_errno_text(-rc))
		      : 0;
}

static int copy_host_file(int dir, const char *name, const char *from, struct err *err)
{
	auto_free char *text = NULL;
	size_t n = 0;
	int rc = file_read_at(AT_FDCWD, from, HOST_FILE_MAX, &text, &n);

	/* A host without resolv.conf is no reason to fail. */
	if (rc < 0 && rc != -ENOENT)
		return err_set(err, ERR_SYSTEM, -rc, "read %s: %s", from, err_errno_text(-rc));
	return write_file(dir, name, rc == 0 ? text : "", n, err);
}

static int write_hosts(const struct container *c, int dir, struct err *err)
{
	auto_strbuf struct strbuf b = {0};

	strbuf_puts(&b, "127.0.0.1\tlocalhost\n"
			"::1\tlocalhost ip6-localhost ip6-loopback\n"
			"fe00::0\tip6-localnet\n"
			"ff00::0\tip6-mcastprefix\n"
			"ff02::1\tip6-allnodes\n"
			"ff02::2\tip6-allrouters\n");
	for (size_t i = 0; i < c->config.extra_hosts.count; i++) {
		const char *entry = c->config.extra_hosts.items[i];
		size_t n = strcspn(entry, ":");

		if (entry[n])
			strbuf_printf(&b, "%s\t%.*s\n", entry + n + 1, (int)n, entry);
	}
	return write_file(dir, "hosts", b.data, b.len, err);
}

int host_files_write(const struct container *c, int run_dir, struct err *err)
{
	bool host_network = c->config.network_mode && str_eq(c->config.network_mode, "host");
	auto_free char *hostname = xasprintf("%s\n", c->config.hostname);
	int rc = write_file(run_dir, "hostname", hostname, strlen(hostname), err);

	if (rc == 0)
		rc = host_network ? copy_host_file(run_dir, "hosts", "/etc/hosts", err)
				  : write_hosts(c, run_dir, err);
	return rc < 0 ? rc : copy_host_file(run_dir, "resolv.conf", "/etc/resolv.conf", err);
}
