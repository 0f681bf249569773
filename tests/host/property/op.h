/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations of the property test as plain data.
 *
 * An operation is a kind and a few small numbers, so a run is an array that can be made from random
 * numbers or from a fuzzer's bytes, stored, replayed, shrunk and printed.  Any nine bytes become an
 * operation by op_normalise(), and every normalised operation can be carried out at any time: what
 * does not fit the state at that moment is refused by vm/, which is tested, or does nothing.
 */
#ifndef PROPERTY_OP_H
#define PROPERTY_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op_kind {
	OP_LOAD,
	OP_STORE,
	OP_FETCH,
	OP_PEEK,   /* another space reads: vm_fault_hold */
	OP_POKE,   /* ... writes */
	OP_DEBUG,  /* ... writes as a debugger, VM_PROT_COPY */
	OP_FIXED,  /* anonymous memory */
	OP_GUARD,  /* vm_map_fixed of a guard */
	OP_OBJECT, /* vm_map_fixed of an object */
	OP_FIND,
	OP_STACK,
	OP_GROW, /* vm_map_growstack itself */
	OP_REMOVE,
	OP_PROTECT,
	OP_INHERIT,
	OP_WIRE,
	OP_UNWIRE,
	OP_DROP,
	OP_FORK,
	OP_EXIT,
	OP_EXEC,
	OP_LIMIT,
	OP_FLAG,  /* VM_MAP_WXORX, VM_MAP_WIREFUTURE */
	OP_CHECK, /* vm_map_check_protection */
	OP_ADVISE,
	OP_SYNC,
	OP_DISCARD,
	OP_RESIDENT, /* vm_map_residency */
	OP_MOVE,
	OP_PLACE,  /* a submap's placeholder */
	OP_SUBMAP, /* vm_map_submap */
	OP_BAD,	   /* arguments that are refused whatever the map is */
	OP_KINDS
};

struct op {
	uint8_t kind;
	uint8_t space;	   /* 0 to 3: of processes; SPACE_PARENT, SPACE_SUB: of the kernel */
	uint8_t first;	   /* page */
	uint8_t pages;	   /* how many */
	uint8_t prot, max; /* vm_prot_t */
	uint8_t flags;	   /* OPF_* of the kind */
	uint8_t arg;	   /* of the kind: an inheritance, an object, a limit … */
	uint8_t fail;	   /* k: the k-th allocation under it fails; OP_STARVE + k: at most k more
				pages may be charged; 0: neither */
};

#define OP_SPACES    6
#define SPACE_PARENT 4
#define SPACE_SUB    5
#define OP_STARVE    128

/* Flags; what each kind uses is in the table of op.c. */
#define OPF_FIT	     0x01 /* new ranges: where there is room first, at or above `first` */
#define OPF_AIM	     0x01 /* others: at the next page that is mapped, and up to the next hole */
#define OPF_EXCL     0x02 /* MAP_CHECK_EXCL */
#define OPF_SHARED   0x04 /* an object: MAP_INHERIT_SHARE, else MAP_COPY_ON_WRITE */
#define OPF_PREFAULT 0x08
#define OPF_NOCORE   0x10 /* MAP_DISABLE_COREDUMP */
#define OPF_INSERT   0x20 /* vm_map_insert instead of vm_map_fixed */
#define OPF_MAIN     0x40 /* a stack: the main one */
#define OPF_SET_MAX  0x02
#define OPF_USER     0x02
#define OPF_HOLESOK  0x04
#define OPF_WRITE    0x08
#define OPF_DROP     0x02 /* vm_map_sync: invalidate */
#define OPF_MAY	     0x02 /* vm_map_move: VM_MAP_MOVE_MAY */
#define OPF_TO	     0x04 /* ... VM_MAP_MOVE_FIXED */
#define OPF_GROW     0x02 /* vm_fault may grow a stack */
#define OPF_FIXED    0x04 /* a stack by vm_map_fixed */

/* op_normalise: make any bytes an operation; leaves a normalised one alone. */
void op_normalise(struct op *op);

/* op_random: the next one of a random stream, with the usual ones often, and often where the last one
 * was. */
void op_random(struct op *op, const struct op *last, uint64_t (*random)(void));

/* op_maps: does it make a new range? */
bool op_maps(enum op_kind kind);

const char *op_name(enum op_kind kind);

/* op_format: the operation as a C initialiser.  op_write: as a line of a corpus file.  op_parse: read
 * such a line; false if it is none (a comment, an empty line). */
void op_format(const struct op *op, char *text, size_t size);
void op_write(const struct op *op, char *text, size_t size);
bool op_parse(const char *line, struct op *op);

#endif
