/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of a network mean: the bridge driver's, under Docker's names. Those of other
 * drivers are kept and shown, and do nothing. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/str.h"
#include "network/network.h"

#define MTU_MIN 68
#define MTU_MAX 65535

static int refuse(const char *option, const char *value, const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL, "failed to parse %s value: %s (%s)", option, value,
		       why);
}

/* In the words of Go's library. */
static int refuse_syntax(const char *function, const char *option, const char *value,
			 struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "failed to parse %s value: %s (strconv.%s: parsing \"%s\": invalid syntax)",
		       option, value, function, value);
}

static int get_bool(const struct strv *options, const char *option, bool *out, struct err *err)
{
	const char *value = strv_get_env(options, option);

	if (!value || str_to_bool(value, out) == 0)
		return 0;
	return refuse_syntax("ParseBool", option, value, err);
}

static int get_mtu(const struct strv *options, uint32_t *out, struct err *err)
{
	static const char option[] = "com.docker.network.driver.mtu";
	const char *value = strv_get_env(options, option);
	int64_t mtu = 0;

	if (!value)
		return 0;
	if (str_to_i64(value, &mtu) < 0)
		return refuse_syntax("Atoi", option, value, err);
	if (mtu < 0)
		return err_set(err, ERR_INVALID, EINVAL, "invalid MTU number: %s", value);
	if (mtu && (mtu < MTU_MIN || mtu > MTU_MAX))
		return refuse(option, value, "must be 68 to 65535", err);
	*out = (uint32_t)mtu;
	return 0;
}

static int get_binding(const struct strv *options, struct ip_address *out, struct err *err)
{
	static const char option[] = "com.docker.network.bridge.host_binding_ipv4";
	const char *value = strv_get_env(options, option);
	struct ip_address a;

	if (!value || !*value)
		return 0;
	if (ip_parse(value, &a) < 0 || a.family != AF_INET)
		return refuse(option, value, "invalid ip", err);
	/* Docker's default network says 0.0.0.0 and publishes on [::], too. */
	if (!ip_is_unspecified(&a))
		*out = a;
	return 0;
}

/* A mode that does more, or less, than we would must not seem to be there. */
static int check_gateway_mode(const struct strv *options, const char *option, struct err *err)
{
	static const char *const known[] = {"nat-unprotected", "routed", "isolated"};
	const char *value = strv_get_env(options, option);
	char why[ERR_MSG_MAX];

	if (!value || !*value || str_eq(value, "nat"))
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (str_eq(value, known[i]))
			return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
				       "%s=%s is not supported: only nat is", option, value);
	snprintf(why, sizeof(why), "unknown gateway mode %s", value);
	return refuse(option, value, why, err);
}

int network_behaviour(const struct network *n, struct network_behaviour *out, struct err *err)
{
	int rc;

	*out = (struct network_behaviour){.icc = true, .masquerade = true};
	rc = get_mtu(&n->options, &out->mtu, err);
	if (rc == 0)
		rc = get_bool(&n->options, "com.docker.network.bridge.enable_icc", &out->icc, err);
	if (rc == 0)
		rc = get_bool(&n->options, "com.docker.network.bridge.enable_ip_masquerade",
			      &out->masquerade, err);
	if (rc == 0)
		rc = get_binding(&n->options, &out->binding, err);
	return rc;
}

int network_options_check(const struct network *n, struct err *err)
{
	struct network_behaviour ignored;
	int rc = network_behaviour(n, &ignored, err);

	if (rc == 0)
		rc = check_gateway_mode(&n->options, "com.docker.network.bridge.gateway_mode_ipv4",
					err);
	if (rc == 0)
		rc = check_gateway_mode(&n->options, "com.docker.network.bridge.gateway_mode_ipv6",
					err);
	return rc;
}
