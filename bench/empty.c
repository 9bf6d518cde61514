/* SPDX-License-Identifier: Apache-2.0 */
/* The empty program: what starting and ending any static process costs. */
int main(void)
{
	return 0;
}
