/* SPDX-License-Identifier: MIT */
/*
 * Pieces of CPU memory of many kinds, scattered over the address space, and
 * contents that tell where they belong.
 */
#ifndef EXAMPLES_MEM_H
#define EXAMPLES_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "report.h"

#define PAGE		4096u
#define HUGE		(2u << 20)

enum mem_kind {
	MEM_ANON,	/* private anonymous, many pieces of one mapping */
	MEM_ANON_VMA,	/* private anonymous, a mapping for each piece */
	MEM_SHARED,	/* memfd, shared: the memory of a virtual machine */
	MEM_PRIVATE,	/* memfd, mapped private: copied when written */
	MEM_READONLY,	/* memfd, mapped read-only; written by another mapping */
	MEM_THP,	/* private anonymous, transparent huge pages */
	MEM_HUGETLB,	/* private anonymous, reserved huge pages */
	MEM_KINDS,
};

/** mem_kind_name - what to call a kind in a table */
const char *mem_kind_name(enum mem_kind kind);

/**
 * struct piece - one range of a batch
 * @addr: where it lies, as the GPU driver is told
 * @cpu: where the program reads and writes it; @addr but for %MEM_READONLY
 * @size: bytes
 * @offset: place in the batch, bytes
 * @kind: what it is made of
 * @fd: its memfd, or -1
 * @file_offset: where in the memfd
 * @id: number that is part of its contents, not 0
 * @gen: generation of contents that it must have now, see pattern_fill()
 */
struct piece {
	uint8_t *addr;
	uint8_t *cpu;
	size_t size;
	uint64_t offset;
	enum mem_kind kind;
	int fd;
	uint64_t file_offset;
	uint32_t id;
	uint8_t gen;
};

/**
 * struct mem_mix - how many pieces of which kind and size
 * @kind: kind
 * @size: bytes of each piece
 * @share: number of pieces of 4096; at least one piece is made. The last row of
 *         a table has 0: the rest
 */
struct mem_mix {
	enum mem_kind kind;
	size_t size;
	uint32_t share;
};

/**
 * struct arena - address space for pieces
 * @map: what was reserved, to be unmapped
 * @size: bytes of it, and of the memfd
 * @addr: where the pieces start, at a boundary of a huge page
 * @cpu: another mapping of the memfd, to write by; NULL: none
 * @fd: memfd or -1
 */
struct arena {
	void *map;
	size_t size;
	uint8_t *addr;
	uint8_t *cpu;
	int fd;
};

/**
 * struct pieces - the ranges of one batch
 * @p: the pieces in the order in which the batch has them
 * @n: number of them
 * @bytes: sum of their sizes
 * @arenas: address space that they lie in
 * @n_arenas: number of arenas
 * @hugetlb_added: huge pages that were reserved for this and are given back
 */
struct pieces {
	struct piece *p;
	uint32_t n;
	uint64_t bytes;
	struct arena arenas[16];
	uint32_t n_arenas;
	uint32_t hugetlb_added;
};

/** mem_may_reserve - may pieces_alloc() reserve huge pages in the system? Default: yes */
void mem_may_reserve(int yes);

/**
 * pieces_alloc - make the pieces, in random order, filled with zeros
 * @ps: to be filled
 * @n: how many
 * @mix: table
 * @rows: rows of @mix, at most @n
 * @first_id: id of the first piece
 * @rng: source of the order
 *
 * Between most neighbours in address space there is memory that is not part of
 * the batch; a few touch each other. Where the system has no reserved huge pages
 * and they cannot be reserved, %MEM_THP stands in for %MEM_HUGETLB.
 *
 * Returns 0 or -1 with report_reason() set.
 */
int pieces_alloc(struct pieces *ps, uint32_t n, const struct mem_mix *mix, uint32_t rows,
		 uint32_t first_id, struct rng *rng);

void pieces_free(struct pieces *ps);

/**
 * piece_map - map a piece
 * @p: piece
 * @over: over what is mapped there; otherwise nothing may be there
 *
 * As it was mapped first: memory of a memfd has the contents of the memfd, other
 * memory is zero. Returns 0 or -1 with report_reason() set.
 */
int piece_map(const struct piece *p, int over);

/** piece_prot - PROT_* of the piece's mapping */
int piece_prot(const struct piece *p);

/** piece_fill - write generation @gen to a piece and remember that in @p->gen */
void piece_fill(struct piece *p, uint8_t gen);

/**
 * pattern_fill - write the contents of generation @gen of piece @p to @dst
 *
 * Each 64 bit word is made of the generation, the piece's id and the word's
 * offset in the piece, so that a wrong word tells where it came from.
 * Generation 0 is all zeros: fresh memory.
 */
void pattern_fill(void *dst, const struct piece *p, uint8_t gen);

/**
 * pattern_check - compare @src with what piece @p must hold (@p->gen)
 * @src: memory with the piece's contents
 * @p: piece
 * @who: for the message: who reads
 *
 * Returns 0 or -1 with report_reason() set.
 */
int pattern_check(const void *src, const struct piece *p, const char *who);

/** piece_pages_out - pages of a piece that are not in RAM now (mincore(2)) */
uint32_t piece_pages_out(const struct piece *p);

#endif
