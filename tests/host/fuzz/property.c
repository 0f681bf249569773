/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * property: the property test from the command line.
 *
 *	property run STEPS SEED		random operations; what fails is shrunk and printed as C
 *	property replay FILE...		the operations of files: lines of *.ops, else a fuzzer's bytes
 *	property words FILE		a fuzzer's bytes as lines, for tests/host/corpus
 *	property bytes FILE		the reverse
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "property/run.h"

static int
run(uint64_t steps, uint64_t seed)
{
	bool good;

	printf("make fuzz-model STEPS=%lu SEED=%lu\n", (unsigned long)steps, (unsigned long)seed);
	good = run_property(seed, steps);
	print_counts();
	printf(good ? "vm/ and the model agree\n" : "vm/ and the model disagree\n");
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
replay(int n, char **files)
{
	int status = EXIT_SUCCESS;

	for (int i = 0; i < n; i++) {
		size_t count;
		struct op *ops = read_ops(files[i], &count);

		if (ops == NULL) {
			fprintf(stderr, "%s: no operations\n", files[i]);
			status = EXIT_FAILURE;
		} else if (!replay_property(ops, count)) {
			fprintf(stderr, "%s: fails\n", files[i]);
			status = EXIT_FAILURE;
		} else {
			printf("%s: %zu operations, good\n", files[i], count);
		}
		free(ops);
	}
	return status;
}

static int
convert(const char *file, bool to_words)
{
	char text[200];
	size_t n;
	struct op *ops = read_ops(file, &n);

	if (ops == NULL) {
		fprintf(stderr, "%s: no operations\n", file);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < n; i++) {
		op_write(&ops[i], text, sizeof(text));
		if (to_words)
			puts(text);
		else
			fwrite(&ops[i], sizeof(ops[i]), 1, stdout);
	}
	free(ops);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "run") == 0)
		return run(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
	if (argc >= 3 && strcmp(argv[1], "replay") == 0)
		return replay(argc - 2, argv + 2);
	if (argc == 3 && strcmp(argv[1], "words") == 0)
		return convert(argv[2], true);
	if (argc == 3 && strcmp(argv[1], "bytes") == 0)
		return convert(argv[2], false);
	fprintf(stderr,
		"usage: property run STEPS SEED | replay FILE... | words FILE | bytes FILE\n");
	return 2;
}
