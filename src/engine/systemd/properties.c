/* SPDX-License-Identifier: Apache-2.0 */
/* Each property's type on the bus, and its value out of a word. Only those that the engine sets. */
#include "engine/systemd/properties.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define SET_BYTES 1024 /* 8192 processors, the kernel's own maximum */

static int add_number(sd_bus_message *m, const char *value)
{
	uint64_t n = UINT64_MAX;

	if (!str_eq(value, "infinity") && str_to_u64(value, &n) < 0)
		return -EINVAL;
	return sd_bus_message_append(m, "v", "t", n);
}

static int add_boolean(sd_bus_message *m, const char *value)
{
	if (!str_eq(value, "yes") && !str_eq(value, "no"))
		return -EINVAL;
	return sd_bus_message_append(m, "v", "b", str_eq(value, "yes"));
}

static int add_string(sd_bus_message *m, const char *value)
{
	return sd_bus_message_append(m, "v", "s", value);
}

/* "0-2,5" as a bitmap. */
static int add_set(sd_bus_message *m, const char *value)
{
	unsigned char bits[SET_BYTES] = {0};
	size_t used = 0;

	while (*value) {
		char *end;
		unsigned long first = strtoul(value, &end, 10), last = first;

		if (end == value)
			return -EINVAL;
		if (*end == '-') {
			value = end + 1;
			last = strtoul(value, &end, 10);
			if (end == value)
				return -EINVAL;
		}
		if (last < first || last >= (unsigned long)SET_BYTES * 8 ||
		    (*end && *end != ',' && *end != '\n'))
			return -EINVAL;
		for (; first <= last; first++)
			bits[first / 8] |= (unsigned char)(1u << first % 8);
		used = last / 8 + 1 > used ? last / 8 + 1 : used;
		value = end + (*end ? 1 : 0);
	}
	if (sd_bus_message_open_container(m, 'v', "ay") < 0 ||
	    sd_bus_message_append_array(m, 'y', bits, used) < 0)
		return -ENOMEM;
	return sd_bus_message_close_container(m);
}

static int add_devices(sd_bus_message *m, const char *value)
{
	int rc = sd_bus_message_open_container(m, 'v', "a(ss)");

	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(ss)");
	while (rc >= 0 && *value) {
		size_t n = strcspn(value, ",");
		auto_free char *one = xstrndup(value, n);
		char *colon = strrchr(one, ':');

		if (!colon)
			return -EINVAL;
		*colon = '\0';
		rc = sd_bus_message_append(m, "(ss)", one, colon + 1);
		value += n + (value[n] == ',');
	}
	if (rc >= 0)
		rc = sd_bus_message_close_container(m);
	return rc < 0 ? rc : sd_bus_message_close_container(m);
}

static const struct {
	const char *name;
	int (*add)(sd_bus_message *m, const char *value);
} table[] = {
	{"Description", add_string},
	{"Slice", add_string},
	{"CollectMode", add_string},
	{"Delegate", add_boolean},
	{"DefaultDependencies", add_boolean},
	{"CPUAccounting", add_boolean},
	{"MemoryAccounting", add_boolean},
	{"IOAccounting", add_boolean},
	{"TasksAccounting", add_boolean},
	{"CPUQuotaPerSecUSec", add_number},
	{"CPUQuotaPeriodUSec", add_number},
	{"CPUWeight", add_number},
	{"CPUShares", add_number},
	{"MemoryMax", add_number},
	{"MemorySwapMax", add_number},
	{"MemoryLow", add_number},
	{"MemoryLimit", add_number},
	{"TasksMax", add_number},
	{"IOWeight", add_number},
	{"BlockIOWeight", add_number},
	{"AllowedCPUs", add_set},
	{"AllowedMemoryNodes", add_set},
	{"DevicePolicy", add_string},
	{"DeviceAllow", add_devices},
};

static int append(sd_bus_message *m, size_t i, const char *value)
{
	int rc = sd_bus_message_open_container(m, 'r', "sv");

	if (rc >= 0)
		rc = sd_bus_message_append(m, "s", table[i].name);
	if (rc >= 0)
		rc = table[i].add(m, value);
	return rc < 0 ? rc : sd_bus_message_close_container(m);
}

int property_append(sd_bus_message *m, const char *word, struct err *err)
{
	const char *equal = strchr(word, '=');
	size_t n = equal ? (size_t)(equal - word) : 0;

	for (size_t i = 0; equal && i < sizeof(table) / sizeof(table[0]); i++) {
		int rc;

		if (strlen(table[i].name) != n || strncmp(table[i].name, word, n) != 0)
			continue;
		rc = append(m, i, equal + 1);
		return rc < 0 ? err_set(err, ERR_INVALID, -rc, "property %s: %s", word,
					err_errno_text(-rc))
			      : 0;
	}
	return err_set(err, ERR_INVALID, EINVAL, "unknown property %s", word);
}
