/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a template over a fixed document, with a model and without: parsing and executing must
 * end, within bounded memory, whatever it says.
 */
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char document[] =
	"{\"Id\":\"abc\",\"Args\":[\"-c\",\"x y\"],\"State\":{\"Pid\":42,\"Running\":true,\"Health\":null},"
	"\"Labels\":{\"b\":\"2\",\"a\":\"1\"},\"Big\":18446744073709551615,\"F\":1.5,\"L\":[3,[1,{\"z\":0}]]}";

static void run(const struct template *t, struct json_object *o, const struct template_model *m)
{
	auto_strbuf struct strbuf out = {0};
	struct err err = ERR_INIT;

	(void)!template_execute(t, o, m, &out, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct template_member members[] = {{"Id", "ID", TEMPLATE_STRUCT},
							 {"Args", NULL, TEMPLATE_LIST},
							 {"Labels", NULL, TEMPLATE_STRING_MAP}};
	static const struct template_model model = {.members = members, .member_count = 3};
	auto_template struct template *t = NULL;
	auto_json struct json_object *o = NULL;
	struct err err = ERR_INIT;

	if (template_parse((const char *)data, size, &t, &err) < 0)
		return 0;
	if (json_parse(document, strlen(document), "document", &o, &err) < 0)
		return 0;
	run(t, o, &model);
	run(t, o, NULL);
	return 0;
}
