/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates against Go's own results: each expected text was printed by Docker's client (Go's
 * text/template) for the same data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/template.h"

static const char document[] =
	"{\"Id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"Crea"
	"ted\":\"2024-01-02T03:04:05.123456789Z\",\"Path\":\"sh\",\"Args\":[\"-c\",\"x\"],\"State\":{\""
	"Status\":\"running\",\"Running\":true,\"Paused\":false,\"Restarting\":false,\"OOMKilled\""
	":false,\"Dead\":false,\"Pid\":42,\"ExitCode\":0,\"Error\":\"\",\"StartedAt\":\"2024-01-02T0"
	"3:04:05Z\",\"FinishedAt\":\"0001-01-01T00:00:00Z\"},\"Image\":\"sha256:1\",\"Name\":\"/web"
	"\",\"RestartCount\":0,\"HostConfig\":{\"Memory\":67108864,\"NanoCpus\":500000000,\"CapAd"
	"d\":null,\"CapDrop\":[\"ALL\"],\"Binds\":null,\"PidsLimit\":null,\"MemorySwappiness\":nul"
	"l,\"Privileged\":false,\"PortBindings\":{},\"LogConfig\":{\"Type\":\"json-file\",\"Config"
	"\":{}},\"CpuShares\":5},\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a\",\"Destination\":\"/b\""
	",\"Mode\":\"\",\"RW\":true,\"Propagation\":\"rprivate\"}],\"Config\":{\"Hostname\":\"h\",\"Env\""
	":[\"A=1\",\"B=<2>&\"],\"Cmd\":[\"sh\",\"-c\"],\"Image\":\"bb\",\"Labels\":{\"b\":\"2\",\"a\":\"1\",\"k."
	"x\":\"\\u00e9\\t\\\"q\\\"\"},\"Entrypoint\":null,\"Volumes\":null,\"Tty\":false},\"NetworkSett"
	"ings\":{\"Ports\":{\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8080\"}],\"90/tcp\":nul"
	"l},\"Networks\":{\"bridge\":{\"IPAddress\":\"172.17.0.2\",\"Aliases\":null}}},\"Test\":{\"n"
	"\":5,\"f\":1.5,\"s\":\"hi there\",\"l\":[3,1,2],\"e\":[],\"m\":{\"z\":1,\"y\":{\"q\":2}},\"nil\":nu"
	"ll,\"t\":true,\"big\":18446744073709551615}}";

static const struct template_member members[] = {
	{"Id", "ID", TEMPLATE_POINTER},
	{"Labels", NULL, TEMPLATE_STRING_MAP},
	{"CapAdd", NULL, TEMPLATE_LIST},
	{"Volumes", NULL, TEMPLATE_POINTER_MAP},
	{"Entrypoint", NULL, TEMPLATE_LIST},
	{"Ports", NULL, TEMPLATE_LIST_MAP},
	{"Networks", NULL, TEMPLATE_POINTER_MAP},
	{"Test", NULL, TEMPLATE_ANY},
	{"NanoCpus", "NanoCPUs", TEMPLATE_POINTER},
};
static const struct template_optional optionals[] = {
	{"", "SizeRw", NULL, TEMPLATE_POINTER},
	{"State", "Health", NULL, TEMPLATE_POINTER},
	{"Config", "Shell", NULL, TEMPLATE_LIST},
	{"Config", "StopSignal", NULL, TEMPLATE_TEXT},
	{"Config", "Off", NULL, TEMPLATE_FLAG},
	{"Config", "Every", "Each", TEMPLATE_DURATION},
	{"HostConfig", "Tmpfs", NULL, TEMPLATE_STRING_MAP},
};
static const struct template_model model = {.members = members,
					    .member_count = sizeof(members) / sizeof(members[0]),
					    .optionals = optionals,
					    .optional_count =
						    sizeof(optionals) / sizeof(optionals[0])};

static const struct {
	const char *text, *result, *error;
} rows[] = {
	{"{{.Nope}}", NULL,
	 "template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\""},
	{"{{.State.Nope}}", NULL,
	 "template: :1:8: executing \"\" at <.State.Nope>: map has no entry for key \"Nope\""},
	{"{{.State.Pid.x}}", NULL,
	 "template: :1:8: executing \"\" at <.State.Pid.x>: can't evaluate field x in type interface {}"},
	{"{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}|{{.SizeRw}}|{{json .State.Health}}",
	 "none|<nil>|null", NULL},
	{"{{.Config.Shell}}|{{len .Config.Shell}}|{{.Config.StopSignal}}|{{.Config.Off}}|{{.Config.Each}}",
	 "[]|0||false|0s", NULL},
	{"{{.HostConfig.Tmpfs}}|{{.HostConfig.Tmpfs.x}}|{{index .HostConfig.Tmpfs \"x\"}}|",
	 "map[]|<no value>||", NULL},
	{"{{.State.Health.Status}}", NULL,
	 "template: :1:8: executing \"\" at <.State.Health.Status>: map has no entry for key \"Health\""},
	{"{{.Config.Labels.foo.bar}}", "<no value>", NULL},
	{"{{.Health}}", NULL,
	 "template: :1:2: executing \"\" at <.Health>: map has no entry for key \"Health\""},
	{"{{.HostConfig.CapAdd}}|{{.HostConfig.PidsLimit}}|{{.Config.Volumes}}|{{.Config.Entrypoint}}",
	 "[]|<nil>|map[]|[]", NULL},
	{"{{.Config.Labels}}", "map[a:1 b:2 k.x:\303\251\t\"q\"]", NULL},
	{"{{.Config.Labels.foo}}", "<no value>", NULL},
	{"{{.Config.Labels.a}}", "1", NULL},
	{"{{index .Config.Labels \"foo\"}}", "", NULL},
	{"{{index .Config.Labels \"k.x\"}}", "\303\251\t\"q\"", NULL},
	{"{{index .Args 5}}", NULL,
	 "template: :1:2: executing \"\" at <index .Args 5>: error calling index: index out of range: 5"},
	{"{{index .Args -1}}", NULL,
	 "template: :1:2: executing \"\" at <index .Args -1>: error calling index: index out of range: -1"},
	{"{{index .Args \"x\"}}", NULL,
	 "template: :1:2: executing \"\" at <index .Args \"x\">: error calling index: cannot index slice/array with type string"},
	{"{{index .Config.Labels 5}}", NULL,
	 "template: :1:2: executing \"\" at <index .Config.Labels 5>: error calling index: value has type int; should be string"},
	{"{{.Test}}",
	 "map[big:18446744073709551615 e:[] f:1.5 l:[3 1 2] m:map[y:map[q:2] z:1] n:5 nil:<nil> s:hi there t:true]",
	 NULL},
	{"{{.Test.nil}}", "<no value>", NULL},
	{"{{index .Test \"nope\"}}", "<no value>", NULL},
	{"{{json .Test.m}} {{json .Test.s}} {{json .Test.nil}}",
	 "{\"y\":{\"q\":2},\"z\":1} \"hi there\" null", NULL},
	{"{{json .Config.Env}}", "[\"A=1\",\"B=<2>&\"]", NULL},
	{"{{json .State.Status}}", "\"running\"", NULL},
	{"{{range $k,$v := .NetworkSettings.Ports}}{{$k}}={{$v}};{{end}}",
	 "80/tcp=[{0.0.0.0 8080}];90/tcp=[];", NULL},
	{"{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", "8080", NULL},
	{"{{with index .NetworkSettings.Ports \"80/tcp\"}}{{(index . 0).HostIp}}{{end}}", "0.0.0.0",
	 NULL},
	{"{{(index (index .NetworkSettings.Ports \"81/tcp\") 0).HostPort}}", NULL,
	 "template: :1:3: executing \"\" at <index (index .NetworkSettings.Ports \"81/tcp\") 0>: error calling index: index of untyped nil"},
	{"{{range .Mounts}}{{if eq .Source \"/a\"}}{{$.Name}}{{end}}{{end}}", "/web", NULL},
	{"{{eq .State.Pid 42}} {{gt .HostConfig.Memory 5}} {{lt .State.Pid 1}} {{ge 2 2}} {{le 3 2}} {{ne \"a\" \"b\"}}",
	 "true true false true false true", NULL},
	{"{{eq .Name 4}}", NULL,
	 "template: :1:2: executing \"\" at <eq .Name 4>: error calling eq: incompatible types for comparison"},
	{"{{eq .Name \"x\" \"/web\"}}", "true", NULL},
	{"{{eq .Name}}", NULL,
	 "template: :1:2: executing \"\" at <eq .Name>: error calling eq: missing argument for comparison"},
	{"{{lt true false}}", NULL,
	 "template: :1:2: executing \"\" at <lt true false>: error calling lt: invalid type for comparison"},
	{"{{lt \"a\" 1}}", NULL,
	 "template: :1:2: executing \"\" at <lt \"a\" 1>: error calling lt: incompatible types for comparison"},
	{"{{.Name.Foo}}", NULL,
	 "template: :1:7: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type interface {}"},
	{"{{foo}}", NULL, "template: :1: function \"foo\" not defined"},
	{"{{foo .Name | bar}}", NULL, "template: :1: function \"foo\" not defined"},
	{"{{", NULL, "template: :1: unclosed action"},
	{"{{end}}", NULL, "template: :1: unexpected {{end}}"},
	{"{{else}}", NULL, "template: :1: unexpected {{else}}"},
	{"{{if .Name}}x", NULL, "template: :1: unexpected EOF"},
	{"{{\"abc", NULL, "template: :1: unterminated quoted string"},
	{"{{`abc", NULL, "template: :1: unterminated raw quoted string"},
	{"{{`a\"b`}}", "a\"b", NULL},
	{"{{.Name | upper | printf \"%q %s\"}}", "\"/WEB\" %!s(MISSING)", NULL},
	{"{{printf \"%d %5d|%-5d|%05d %x %t %v\" 1 2 3 4 255 true .Args}}",
	 "1     2|3    |00004 ff true [-c x]", NULL},
	{"{{printf \"%T %T %T\" 1 \"a\" 1.5}}", "int string float64", NULL},
	{"{{printf \"%8.3f|%-8s|%8s|%.2s|%+d|%x|%X|%o|%b|%c|%U\" 3.14159 \"ab\" \"cd\" \"xyz\" 5 \"hi\" 255 8 5 65 65}}",
	 "   3.142|ab      |      cd|xy|+5|6869|FF|10|101|A|U+0041", NULL},
	{"{{printf \"%s\" .Args}} {{printf \"%q\" .Name}}", "[-c x] \"/web\"", NULL},
	{"{{printf \"%d\" \"x\"}} {{printf \"%d\"}} {{printf \"%s\" 5}} {{printf \"x\" 1 \"b\"}}",
	 "%!d(string=x) %!d(MISSING) %!s(int=5) x%!(EXTRA int=1, string=b)", NULL},
	{"{{printf \"%!\"}} {{printf \"%\"}} {{printf \"%%\"}} {{printf \"%z\" 5}}",
	 "%!!(MISSING) %!(NOVERB) % %!z(int=5)", NULL},
	{"{{printf \"%v %v %v\" 1.0 1e6 1e21}} {{1e100}} {{0.1}} {{1.5e-7}} {{100000000000.5}}",
	 "1 1e+06 1e+21 1e+100 0.1 1.5e-07 1.000000000005e+11", NULL},
	{"{{len .Name}} {{len .Args}} {{len .Config.Labels}} {{len .HostConfig.CapAdd}}", "4 2 3 0",
	 NULL},
	{"{{len 3}}", NULL,
	 "template: :1:2: executing \"\" at <len 3>: error calling len: len of type int"},
	{"{{len .HostConfig.PidsLimit}}", NULL,
	 "template: :1:2: executing \"\" at <len .HostConfig.PidsLimit>: error calling len: len of nil pointer"},
	{"{{slice .Name 1 3}} {{slice .Args 1}} {{slice .Name 2}} {{slice .Name}}",
	 "we [x] eb /web", NULL},
	{"{{slice .Name 3 1}}", NULL,
	 "template: :1:2: executing \"\" at <slice .Name 3 1>: error calling slice: invalid slice index: 3 > 1"},
	{"{{slice .Name 0 50}}", NULL,
	 "template: :1:2: executing \"\" at <slice .Name 0 50>: error calling slice: index out of range: 50"},
	{"{{slice .Name 0 1 1}}", NULL,
	 "template: :1:2: executing \"\" at <slice .Name 0 1 1>: error calling slice: cannot 3-index slice a string"},
	{"{{join .Args \",\"}} {{split .Name \"e\"}} {{split \"abc\" \"\"}}", "-c,x [/w b] [a b c]",
	 NULL},
	{"{{join .Name \",\"}}", NULL,
	 "template: :1:7: executing \"\" at <.Name>: wrong type for value; expected []string; got string"},
	{"{{title \"ab cd-ef\"}} {{lower \"ABC\"}} {{upper \"abc\"}} {{pad \"x\" 2 3}}| {{pad \"\" 2 3}}| {{truncate \"abcdef\" 3}} {{truncate \"ab\" 5}}",
	 "Ab Cd-Ef abc ABC   x   | | abc ab", NULL},
	{"{{upper}}", NULL,
	 "template: :1:2: executing \"\" at <upper>: wrong number of args for upper: want 1 got 0"},
	{"{{upper 1}}", NULL, "template: :1:8: executing \"\" at <1>: expected string; found 1"},
	{"{{upper \"a\" \"b\"}}", NULL,
	 "template: :1:2: executing \"\" at <upper>: wrong number of args for upper: want 1 got 2"},
	{"{{truncate \"a\" \"b\"}}", NULL,
	 "template: :1:15: executing \"\" at <\"b\">: expected integer; found \"b\""},
	{"{{html \"<a href='x'>\\\"&\"}} {{js \"a\\\"b<'&=\"}} {{urlquery \"a b&c/d\"}}",
	 "&lt;a href=&#39;x&#39;&gt;&#34;&amp; a\\\"b\\u003C\\'\\u0026\\u003D a+b%26c%2Fd", NULL},
	{"{{print 1 2 \"a\" \"b\" 3}}|{{println 1 \"a\"}}|{{print}}|{{print nil}}",
	 "1 2ab3|1 a\n||<nil>", NULL},
	{"{{.Test.f}} {{.Test.big}}", "1.5 18446744073709551615", NULL},
	{"{{range .Test.e}}x{{else}}none{{end}}", "none", NULL},
	{"{{range .Test.nil}}x{{else}}none{{end}}", "none", NULL},
	{"{{range .Name}}x{{end}}", NULL,
	 "template: :1:8: executing \"\" at <.Name>: range can't iterate over /web"},
	{"{{range 3}}{{.}}{{end}} {{range $i := 2}}{{$i}}{{end}}", "012 01", NULL},
	{"{{with .Test.nil}}a{{else with .Test.s}}{{.}}{{end}}", "hi there", NULL},
	{"{{with $x := .Name}}{{$x}}{{end}}", "/web", NULL},
	{"{{if not .State.Running}}a{{else if eq 1 2}}b{{else}}c{{end}}", "c", NULL},
	{"{{define \"t\"}}[{{.}}]{{end}}{{template \"t\" .Name}}{{template \"t\"}}",
	 "[/web][<no value>]", NULL},
	{"{{template \"nope\"}}", NULL,
	 "template: :1:11: executing \"\" at <{{template \"nope\"}}>: template \"nope\" not defined"},
	{"{{block \"b\" .Args}}{{range .}}<{{.}}>{{end}}{{end}}", "<-c><x>", NULL},
	{"{{range $i, $e := .Args}}{{if $i}}, {{end}}{{$e}}{{end}}", "-c, x", NULL},
	{"{{range .Args}}{{.}}{{break}}{{end}}{{range .Args}}{{continue}}{{.}}{{end}}", "-c", NULL},
	{"{{break}}", NULL, "template: :1: {{break}} outside {{range}}"},
	{"{{/* c */ -}}  x", "x", NULL},
	{"{{/* c ", NULL, "template: :1: unclosed comment"},
	{"{{/* c */x}}", NULL, "template: :1: comment ends before closing delimiter"},
	{"a {{- .Name -}} b", "a/webb", NULL},
	{"a  \n {{- .Name }} \n b {{- \"x\" }}", "a/web \n bx", NULL},
	{"{{.Test.l}} {{range .Test.l}}{{.}}{{end}}", "[3 1 2] 312", NULL},
	{"{{not true}} {{and 1 0}} {{or 0 \"x\"}} {{and}} ", NULL,
	 "template: :1:40: executing \"\" at <and>: wrong number of args for and: want at least 1 got 0"},
	{"{{and true .Name}} {{or \"\" 0 .Name}} {{and 0 (index .Args 9)}}", "/web /web 0", NULL},
	{"{{.NetworkSettings.Networks.bridge.IPAddress}} {{.NetworkSettings.Networks.foo}}",
	 "172.17.0.2 <no value>", NULL},
	{"{{.HostConfig.LogConfig.Type}}", "json-file", NULL},
	{"{{$x := 5}}{{$x}}{{$x = 6}}{{$x}}", "56", NULL},
	{"{{$y}}", NULL, "template: :1: undefined variable \"$y\""},
	{"{{$x := 1}}{{if true}}{{$x = 2}}{{$z := 3}}{{end}}{{$x}}{{$z}}", NULL,
	 "template: :1: undefined variable \"$z\""},
	{"{{.Name | printf \"%s-%s\" \"a\"}}", "a-/web", NULL},
	{"{{\"quoted\" | len | printf \"%03d\"}}", "006", NULL},
	{"{{ .Name .Args }}", NULL,
	 "template: :1:3: executing \"\" at <.Name>: Name is not a method but has arguments"},
	{"{{ 1 | 2 }}", NULL, "template: :1: non executable command in pipeline stage 2"},
	{"{{ 1 2 }}", NULL,
	 "template: :1:3: executing \"\" at <1>: can't give argument to non-function 1"},
	{"{{ nil }}", NULL, "template: :1:3: executing \"\" at <nil>: nil is not a command"},
	{"{{ 1x }}", NULL, "template: :1: bad number syntax: \"1x\""},
	{"{{ .Name | }}", "/web", NULL},
	{"{{ | .Name }}", NULL, "template: :1: unexpected \"|\" in command"},
	{"{{}}", NULL, "template: :1: missing value for command"},
	{"{{ . | len }}", "13", NULL},
	{"{{(.Name)}} {{(.State).Pid}} {{((.State)).Pid}}", "/web 42 42", NULL},
	{"{{(.Name}}", NULL, "template: :1: unclosed left paren"},
	{"{{.Name)}}", NULL, "template: :1: unexpected right paren"},
	{"{{.Name & 1}}", NULL, "template: :1: unexpected \"&\" in operand"},
	{"{{\"a\".Name}}", NULL, "template: :1: unexpected . after term \"\\\"a\\\"\""},
	{"{{if}}x{{end}}", NULL, "template: :1: missing value for if"},
	{"{{range}}x{{end}}", NULL, "template: :1: missing value for range"},
	{"{{with}}x{{end}}", NULL, "template: :1: missing value for with"},
	{"{{if .Name}}{{else}}{{else}}{{end}}", NULL, "template: :1: expected end; found {{else}}"},
	{"{{define \"a\"}}", NULL, "template: :1: unexpected EOF"},
	{"{{define}}x{{end}}", NULL, "template: :1: unexpected \"}}\" in define clause"},
	{"{{template .Name}}", NULL, "template: :1: unexpected \".Name\" in template clause"},
	{"{{range $a,$b,$c := .Args}}{{end}}", NULL,
	 "template: :1: too many declarations in range"},
	{"{{$a,$b := .Args}}", NULL, "template: :1: too many declarations in command"},
	{"{{range $a, := .Args}}{{end}}", NULL,
	 "template: :1: range can only initialize variables"},
	{"{{index .Test.m \"y\" \"q\"}} {{index .Test.l 1}}", "2 1", NULL},
	{"{{index .Name 0}}", "47", NULL},
	{"{{index nil 0}}", NULL,
	 "template: :1:2: executing \"\" at <index nil 0>: error calling index: index of untyped nil"},
	{"{{index .Test.l nil}}", NULL,
	 "template: :1:2: executing \"\" at <index .Test.l nil>: error calling index: cannot index slice/array with nil"},
	{"{{.Test.nil.foo}}", NULL,
	 "template: :1:7: executing \"\" at <.Test.nil.foo>: nil pointer evaluating interface {}.foo"},
	{"{{.Test.s.foo}}", NULL,
	 "template: :1:7: executing \"\" at <.Test.s.foo>: can't evaluate field foo in type interface {}"},
	{"{{.Config.Labels.a.b}}", NULL,
	 "template: :1:9: executing \"\" at <.Config.Labels.a.b>: can't evaluate field b in type interface {}"},
	{"{{len .Test}} {{len .Test.nil}}", NULL,
	 "template: :1:16: executing \"\" at <len .Test.nil>: error calling len: len of nil pointer"},
	{"{{.ID}} {{.HostConfig.NanoCPUs}}",
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 500000000", NULL},
	{"{{.Id}} {{.HostConfig.NanoCpus}}",
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 500000000", NULL},
	{"{{printf \"%v|%s\" .Config.Labels .Config.Env}}",
	 "map[a:1 b:2 k.x:\303\251\t\"q\"]|[A=1 B=<2>&]", NULL},
	{"{{ eq 1 1.0 }}", NULL,
	 "template: :1:3: executing \"\" at <eq 1 1.0>: error calling eq: incompatible types for comparison"},
	{"{{ eq nil nil }}", "true", NULL},
	{"{{ eq .Args .Args }}", NULL,
	 "template: :1:3: executing \"\" at <eq .Args .Args>: error calling eq: non-comparable type [-c x]: []interface {}"},
	{"{{ .State.Pid | printf \"%d\" }}", "42", NULL},
	{"{{- .Name -}}", "/web", NULL},
	{"{{ .Name-}}", NULL, "template: :1: bad character U+002D '-'"},
	{"x{{- 3 }}", "x3", NULL},
	{"{{ printf \"%6.2f%%\" 12.345 }}", " 12.35%", NULL},
	{"{{println \"a\" 1 nil true}}", "a 1 <nil> true\n", NULL},
	{"{{ \"a\\", NULL, "template: :1: unterminated quoted string"},
	{"{{ 'ab' }}", NULL, "template: :1: malformed character constant: 'ab'"},
	{"{{ .Name := 3 }}", NULL, "template: :1: unexpected \":=\" in operand"},
	{"{{ $.Name }}", "/web", NULL},
	{"{{ or }}", NULL,
	 "template: :1:3: executing \"\" at <or>: wrong number of args for or: want at least 1 got 0"},
	{"{{html .Config.Labels}}", "map[a:1 b:2 k.x:\303\251\t&#34;q&#34;]", NULL},
	{"{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a:1 b:2 k.x:\303\251\t\"q\" ",
	 NULL},
	{"{{with .Config}}{{.Image}}{{with .Cmd}}{{index . 0}}{{end}}{{end}}", "bbsh", NULL},
	{"{{if and .State.Running (not .State.Paused)}}up{{end}}", "up", NULL},
	{"{{if (gt (len .Args) 1)}}many{{end}}", "many", NULL},
	{"{{ join .Args \",\" | upper }}", "-C,X", NULL},
};

static void run_row(struct json_object *data, const char *text, struct strbuf *out, struct err *err)
{
	auto_template struct template *t = NULL;

	if (template_parse(text, strlen(text), &t, err) < 0)
		return;
	(void)!template_execute(t, data, &model, out, err);
}

static void test_rows(void **state)
{
	auto_json struct json_object *data = NULL;
	struct err err = ERR_INIT;
	int failed = 0;

	(void)state;
	assert_int_equal(json_parse(document, strlen(document), "test", &data, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_strbuf struct strbuf out = {0};
		const char *expected = rows[i].result ? rows[i].result : rows[i].error;
		const char *actual;

		err = ERR_INIT;
		run_row(data, rows[i].text, &out, &err);
		actual = err.kind ? err.msg : strbuf_str(&out);
		if ((err.kind != ERR_NONE) != (rows[i].error != NULL) ||
		    !str_eq(expected, actual)) {
			print_error("template %s\nexpected: %s\nactual:   %s\n", rows[i].text,
				    expected, actual);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* Data of one fixed type, as a list command has it: other error words, and methods. */
static int label_method(struct json_object *data, const char *name, const char *argument,
			struct json_object **result)
{
	(void)data;
	if (!str_eq(name, "Label") || !argument)
		return 0;
	*result = json_object_new_string(argument);
	return 1;
}

static void test_root_type(void **state)
{
	static const struct template_model row = {.root_type = "*row", .method = label_method};
	static const char *const cases[][2] = {
		{"{{.Nope}}",
		 "template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type *row"},
		{"{{.Name.X}}",
		 "template: :1:7: executing \"\" at <.Name.X>: can't evaluate field X in type string"},
		{"{{.Label \"a b\"}}|{{.Name}}|{{range .L}}{{$.Label .}}{{end}}", "a b|n|xy"},
	};
	static const char text[] = "{\"Name\":\"n\",\"L\":[\"x\",\"y\"]}";
	auto_json struct json_object *data = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(json_parse(text, strlen(text), "test", &data, &err), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_template struct template *t = NULL;
		auto_strbuf struct strbuf out = {0};

		err = ERR_INIT;
		assert_int_equal(template_parse(cases[i][0], strlen(cases[i][0]), &t, &err), 0);
		(void)!template_execute(t, data, &row, &out, &err);
		assert_string_equal(err.kind ? err.msg : strbuf_str(&out), cases[i][1]);
	}
}

static void test_times(void **state)
{
	static const struct template_member times[] = {{"d", NULL, TEMPLATE_DURATION},
						       {"t", NULL, TEMPLATE_TIME}};
	static const struct template_model m = {.members = times, .member_count = 2};
	static const char *const cases[][2] = {
		{"{\"d\":0,\"t\":\"\"}", "0s "},
		{"{\"d\":1,\"t\":\"2023-11-14T22:13:20Z\"}", "1ns 2023-11-14 22:13:20 +0000 UTC"},
		{"{\"d\":1500000,\"t\":\"2023-11-14T22:13:20.5+02:00\"}",
		 "1.5ms 2023-11-14 22:13:20.5 +0200 +0200"},
		{"{\"d\":90000000000,\"t\":\"x\"}", "1m30s x"},
		{"{\"d\":3600000000000,\"t\":\"\"}", "1h0m0s "},
		{"{\"d\":-2000000001,\"t\":\"\"}", "-2.000000001s "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_json struct json_object *data = NULL;
		auto_template struct template *t = NULL;
		auto_strbuf struct strbuf out = {0};
		struct err err = ERR_INIT;

		assert_int_equal(json_parse(cases[i][0], strlen(cases[i][0]), "test", &data, &err),
				 0);
		assert_int_equal(template_parse("{{.d}} {{.t}}", 13, &t, &err), 0);
		assert_int_equal(template_execute(t, data, &m, &out, &err), 0);
		assert_string_equal(strbuf_str(&out), cases[i][1]);
	}
}

/* Nothing a template says may run for ever or fill the memory. */
static void test_bounds(void **state)
{
	static const char *const hostile[] = {
		"{{range 9000000000}}x{{end}}",
		"{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}",
		"{{range 1000}}{{range 1000}}{{range 1000}}{{end}}{{end}}{{end}}",
		"{{$x := \"ab\"}}{{range 60}}{{$x = print $x $x}}{{end}}",
		"{{$x := printf \"%900d\" 1}}{{range 900000}}{{$y := upper $x}}{{end}}",
		"{{range 90000}}{{printf \"%999d\" 1}}{{printf \"%999d\" 1}}{{end}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		auto_template struct template *t = NULL;
		auto_strbuf struct strbuf out = {0};
		struct err err = ERR_INIT;

		assert_int_equal(template_parse(hostile[i], strlen(hostile[i]), &t, &err), 0);
		assert_int_not_equal(template_execute(t, NULL, NULL, &out, &err), 0);
		assert_true(out.len < TEMPLATE_OUTPUT_MAX + (1 << 20));
	}
}

static void test_depth(void **state)
{
	auto_template struct template *t = NULL;
	auto_strbuf struct strbuf text = {0};
	struct err err = ERR_INIT;

	(void)state;
	strbuf_puts(&text, "{{");
	for (int i = 0; i < 100000; i++)
		strbuf_putc(&text, '(');
	assert_int_not_equal(template_parse(text.data, text.len, &t, &err), 0);
	assert_null(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),  cmocka_unit_test(test_root_type),
		cmocka_unit_test(test_times), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
