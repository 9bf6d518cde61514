/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that glibc's checked headers put into objects in place of the plain functions, for the static
 * json-c and libseccomp of Debian in programs linked against musl. Each is the plain function; where
 * it is told the size of the destination, the size is checked as glibc does. Nothing of ours calls
 * these. Further down locales, which json-c copies for every text that it parses.
 */
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int __snprintf_chk(char *s, size_t n, int flag, size_t size, const char *format, ...);
int __vsnprintf_chk(char *s, size_t n, int flag, size_t size, const char *format, va_list args);
int __vasprintf_chk(char **out, int flag, const char *format, va_list args);
int __fprintf_chk(FILE *f, int flag, const char *format, ...);
int __vfprintf_chk(FILE *f, int flag, const char *format, va_list args);
void __vsyslog_chk(int priority, int flag, const char *format, va_list args);
char *__strcat_chk(char *to, const char *from, size_t size);

int __vsnprintf_chk(char *s, size_t n, int flag, size_t size, const char *format, va_list args)
{
	(void)flag;
	if (n > size)
		abort();
	return vsnprintf(s, n, format, args);
}

int __snprintf_chk(char *s, size_t n, int flag, size_t size, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = __vsnprintf_chk(s, n, flag, size, format, args);
	va_end(args);
	return rc;
}

int __vasprintf_chk(char **out, int flag, const char *format, va_list args)
{
	(void)flag;
	return vasprintf(out, format, args);
}

int __vfprintf_chk(FILE *f, int flag, const char *format, va_list args)
{
	(void)flag;
	return vfprintf(f, format, args);
}

int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = __vfprintf_chk(f, flag, format, args);
	va_end(args);
	return rc;
}

/* json-c logs to syslog only when told to, and it is not. */
void __vsyslog_chk(int priority, int flag, const char *format, va_list args)
{
	(void)priority;
	(void)flag;
	(void)format;
	(void)args;
}

char *__strcat_chk(char *to, const char *from, size_t size)
{
	if (strlen(to) + strlen(from) >= size)
		abort();
	return strcat(to, from);
}

/* These programs set no locale, so there is only "C". musl would allocate for each copy behind malloc()'s
 * back, mapping and unmapping pages: a twentieth of what an exec costs. The names of libc's parameters are
 * its own.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
locale_t newlocale(int mask, const char *name, locale_t base)
{
	(void)mask;
	(void)name;
	return base ? base : LC_GLOBAL_LOCALE;
}

locale_t duplocale(locale_t old)
{
	return old;
}

locale_t uselocale(locale_t new)
{
	(void)new;
	return LC_GLOBAL_LOCALE;
}

void freelocale(locale_t old)
{
	(void)old;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
