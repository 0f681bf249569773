/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin for QEMU that counts how often each instruction of the guest is executed, for
 * tools/profile, which compiles it for the host.
 *
 *	-plugin file=count_plugin.so,out=FILE[,from=ADDRESS]
 *
 * Each instruction that QEMU translates gets a counter, and a call of count() in front of it; an
 * instruction that is translated again finds its counter by its address.  At the end the counters
 * that are not 0 are written to FILE, one line each: address and count, hexadecimal and decimal.
 *
 * With from=, only what is executed between the entry of the user function at ADDRESS and its return
 * is counted, exceptions and system calls included.  The function must be entered by a call: its
 * return is known by the address behind the instruction from which it was entered.
 *
 * One processor only: the counters are not atomic.  What the plugin interface looks like is declared
 * here, since distributions that ship QEMU with plugins do not ship the header.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT	      __attribute__((visibility("default")))
#define NO_REGS	      0 /* QEMU_PLUGIN_CB_NO_REGS */
#define BUCKETS	      (1u << 16)
#define KERNEL_HALF   (1ull << 63)
#define NOWHERE	      UINT64_MAX
#define ADDRESS_SHIFT 4 /* of the hash: the lowest bits say little */

struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					   void (*fn)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*fn)(unsigned cpu, void *arg), int flags,
					    void *arg);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*fn)(uint64_t id, void *arg), void *arg);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

/* The version of the interface that is asked for; which ones QEMU takes depends on its own. */
EXPORT int qemu_plugin_version = PLUGIN_API;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

struct counter {
	struct counter *next; /* of the same bucket */
	uint64_t address, count;
	size_t size; /* of the instruction, bytes */
};

static struct counter *buckets[BUCKETS];
static const char *out;
static uint64_t from = NOWHERE;	     /* where counting begins; NOWHERE: at once */
static uint64_t until = NOWHERE;     /* where it ends, while it is on */
static bool on;			     /* are we counting? */
static const struct counter *before; /* the last user instruction */

static struct counter *
counter_get(uint64_t address)
{
	struct counter **bucket = &buckets[(address ^ address >> ADDRESS_SHIFT) % BUCKETS];
	struct counter *c = *bucket;

	while (c != NULL && c->address != address)
		c = c->next;
	if (c == NULL) {
		c = calloc(1, sizeof(*c));
		if (c == NULL)
			abort();
		c->address = address;
		c->next = *bucket;
		*bucket = c;
	}
	return c;
}

/* count: an instruction is about to be executed. */
static void
count(unsigned cpu, void *arg)
{
	struct counter *c = arg;

	(void)cpu;
	if (c->address < KERNEL_HALF) {
		if (!on && c->address == from) {
			on = true;
			until = before != NULL ? before->address + before->size : NOWHERE;
		} else if (on && c->address == until) {
			on = false;
		}
		before = c;
	}
	c->count += on;
}

static void
translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		struct counter *c = counter_get(qemu_plugin_insn_vaddr(insn));

		c->size = qemu_plugin_insn_size(insn);
		qemu_plugin_register_vcpu_insn_exec_cb(insn, count, NO_REGS, c);
	}
}

static void
write_counters(uint64_t id, void *arg)
{
	FILE *f = fopen(out, "w");

	(void)id;
	(void)arg;
	if (f == NULL) {
		perror(out);
		return;
	}
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (const struct counter *c = buckets[i]; c != NULL; c = c->next) {
			if (c->count != 0)
				fprintf(f, "%" PRIx64 " %" PRIu64 "\n", c->address, c->count);
		}
	}
	fclose(f);
}

EXPORT int
qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0)
			out = argv[i] + 4;
		else if (strncmp(argv[i], "from=", 5) == 0)
			from = strtoull(argv[i] + 5, NULL, 0);
	}
	if (out == NULL)
		return -1;
	on = from == NOWHERE;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, write_counters, NULL);
	return 0;
}
