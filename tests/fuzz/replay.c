/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over the files of directories: the corpus as a test, without libFuzzer. TAP. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *data = NULL;
	size_t n = 0, cap = 0;

	if (!f)
		return -1;
	for (;;) {
		if (n == cap && !(data = realloc(data, cap = cap ? cap * 2 : 4096)))
			abort();
		size_t got = fread(data + n, 1, cap - n, f);
		if (got == 0)
			break;
		n += got;
	}
	fclose(f);
	/* an exact copy, so that the sanitizer sees a read beyond the end */
	uint8_t *exact = malloc(n ? n : 1);
	for (size_t i = 0; i < n; i++)
		exact[i] = data[i];
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int count = 0, failed = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;
		while (d && (e = readdir(d))) {
			char path[4096];
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
			count++;
			if (replay(path) < 0) {
				failed++;
				printf("not ok %d %s\n", count, path);
			} else {
				printf("ok %d %s\n", count, path);
			}
			fflush(stdout);
		}
		if (d)
			closedir(d);
	}
	printf("1..%d\n", count);
	return failed || count == 0;
}
