/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes and manifests of both families decode; ambiguous and unknown ones do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"
#include "oci/image_manifest.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DESCRIPTOR(media, more) \
	"{\"mediaType\":\"" media "\",\"digest\":\"" DIGEST "\",\"size\":7" more "}"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define CONFIG DESCRIPTOR("application/vnd.oci.image.config.v1+json", "")
#define LAYER DESCRIPTOR("application/vnd.oci.image.layer.v1.tar+gzip", "")

static void test_index(void **state)
{
	static const char text[] = "{\"schemaVersion\":2,\"manifests\":[" DESCRIPTOR(
		MANIFEST,
		",\"annotations\":{\"vnd.docker.reference.type\":"
		"\"attestation-manifest\"}") "," DESCRIPTOR(MANIFEST,
							    ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"},"
							    "\"annotations\":{\"org.opencontainers.image.ref.name\":\"x:1\","
							    "\"io.containerd.image.name\":\"docker.io/library/x:2\"}") "," DESCRIPTOR("application/vnd.docker.distribution.manifest.v2+json",
																      ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}") "]}";
	auto_descriptors struct oci_descriptors d = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(oci_index_decode(text, strlen(text), "index", &d, &err), 0);
	assert_int_equal(d.count, 3);
	assert_true(d.items[0].attestation);
	assert_string_equal(d.items[1].name, "docker.io/library/x:2");
	assert_int_equal(d.items[2].media, OCI_MEDIA_MANIFEST);
	assert_int_equal(d.items[2].size_bytes, 7);
	assert_ptr_equal(oci_descriptors_choose(&d, "linux", "amd64"), &d.items[2]);
	assert_ptr_equal(oci_descriptors_choose(&d, "linux", "arm64"), &d.items[1]);
	/* no such platform: the first that is an image */
	assert_ptr_equal(oci_descriptors_choose(&d, "linux", "s390x"), &d.items[1]);
}

static void test_manifest(void **state)
{
	static const char text[] = "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST
				   "\",\"config\":" CONFIG ",\"layers\":[" LAYER "," LAYER "]}";
	auto_manifest struct oci_manifest m = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(oci_manifest_decode(text, strlen(text), "manifest", &m, &err), 0);
	assert_string_equal(m.config.digest, DIGEST);
	assert_int_equal(m.layers.count, 2);
}

static void test_bad_manifests(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"7", "m: not a JSON object"},
		{"{}", "m: \"schemaVersion\" is missing or has the wrong type"},
		{"{\"schemaVersion\":1,\"fsLayers\":[]}", "m: schema version 1 is not supported"},
		{"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[],\"manifests\":[]}",
		 "m: ambiguous: it can be read as more than one kind of document"},
		{"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"config\":" CONFIG
		 ",\"layers\":[]}",
		 "m: unsupported media type \"application/vnd.oci.image.index.v1+json\""},
		{"{\"schemaVersion\":2,\"layers\":[]}",
		 "m: \"config\" is missing or has the wrong type"},
		{"{\"schemaVersion\":2,\"config\":" LAYER ",\"layers\":[]}",
		 "m: unsupported media type \"application/vnd.oci.image.layer.v1.tar+gzip\" of its config"},
		{"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" CONFIG "]}",
		 "m: unsupported media type \"application/vnd.oci.image.config.v1+json\" of its layer"},
		{"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":{}}",
		 "m: \"layers\" is missing or has the wrong type"},
		{"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
		 "\"digest\":\"sha256:../../x\",\"size\":1},\"layers\":[]}",
		 "m: unsupported digest \"sha256:../../x\""},
		{"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
		 "\"digest\":\"" DIGEST "\",\"size\":-1},\"layers\":[]}",
		 "m: \"size\" is missing or has the wrong type"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oci_manifest m;
		struct err err = ERR_INIT;

		assert_int_not_equal(
			oci_manifest_decode(cases[i].text, strlen(cases[i].text), "m", &m, &err),
			0);
		assert_string_equal(err.msg, cases[i].message);
		assert_int_equal(m.layers.count, 0);
	}
}

static void test_docker_archive(void **state)
{
	static const char text[] =
		"[{\"Config\":\"c.json\",\"RepoTags\":[\"a:1\",\"b:2\"],"
		"\"Layers\":[\"l/layer.tar\"]},{\"Config\":\"d.json\",\"RepoTags\":null}]";
	auto_docker_manifest struct docker_archive_manifest m = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(docker_archive_manifest_decode(text, strlen(text), "m", &m, &err), 0);
	assert_int_equal(m.count, 2);
	assert_string_equal(m.items[0].names.items[1], "b:2");
	assert_string_equal(m.items[0].layers.items[0], "l/layer.tar");
	assert_int_equal(m.items[1].names.count, 0);
	docker_archive_manifest_free(&m);
	assert_int_not_equal(docker_archive_manifest_decode("[]", 2, "m", &m, &err), 0);
	assert_string_equal(err.msg, "m: it lists 0 images");
	assert_int_not_equal(docker_archive_manifest_decode("[{\"Layers\":[]}]", 15, "m", &m, &err),
			     0);
	assert_string_equal(err.msg, "m: \"Config\" is missing or has the wrong type");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_bad_manifests),
		cmocka_unit_test(test_docker_archive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
