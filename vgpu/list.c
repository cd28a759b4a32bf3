/* SPDX-License-Identifier: MIT */
/* The list of what is modelled, see list.h. docs/vgpu.md contains it. */
#include "list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "catalogue.h"
#include "device.h"

#define VRAM	(1u << 20)

static const char *how_name(enum vgpu_how how)
{
	static const char *const names[] = {
		[VGPU_EXECUTED] = "executed",
		[VGPU_ACCEPTED] = "accepted: nothing to do here",
		[VGPU_REFUSED] = "refused: counted, not executed",
	};

	return names[how];
}

/* ---- packets and messages: one line for each way to deal with them ---- */

/*
 * @subs: how sub-operations are shown: not at all, as they are.
 */
static void print_items(FILE *f, bool (*get)(unsigned int i, struct vgpu_item *item),
			bool subs)
{
	struct vgpu_item item;
	unsigned int how, i, n;

	fprintf(f, "| | |\n|---|---|\n");
	for (how = VGPU_EXECUTED; how <= VGPU_REFUSED; how++) {
		for (i = n = 0; get(i, &item); i++) {
			if (item.how != how || !item.name)
				continue;
			if (n++)
				fprintf(f, ", ");
			else
				fprintf(f, "| %s | ", how_name(how));
			fprintf(f, "%s ", item.name);
			if (subs)
				fprintf(f, "%u.%u", item.code, item.sub);
			else
				fprintf(f, "0x%02x", item.code);
			if (item.who)
				fprintf(f, " (%s)", item.who);
		}
		if (n)
			fprintf(f, " |\n");
	}
	fprintf(f, "\n");
}

static int print_pm4(FILE *f)
{
	fprintf(f, "### PM4 packets (gfx, compute, KIQ)\n\n"
		"Any other opcode hangs its queue and raises CP_BAD_OPCODE, as hardware does.\n\n");
	print_items(f, pm4_item, false);
	return 0;
}

static int print_sdma(FILE *f)
{
	fprintf(f, "### SDMA packets\n\n"
		"Operation and sub-operation. Any other one is refused: counted, and its queue\n"
		"halts, as at an illegal instruction.\n\n");
	print_items(f, sdma_item, true);
	return 0;
}

static int print_mes(FILE *f)
{
	fprintf(f, "### MES messages\n\n"
		"The fence of a refused one is not written, which the driver takes for failure.\n\n");
	print_items(f, mes_item, false);
	fprintf(f, "Operations of MISC:\n\n");
	print_items(f, mes_misc_item, false);
	return 0;
}

static int print_interrupts(FILE *f)
{
	const struct vgpu_irq_source *s;
	unsigned int i;

	fprintf(f, "### Interrupts\n\n| name | client | source | what |\n|---|---|---|---|\n");
	for (i = 0; (s = vgpu_irq_source(i)); i++)
		fprintf(f, "| %s | 0x%02x | %u | %s |\n", s->name, s->client, s->src,
			s->meaning);
	fprintf(f, "\n");
	return 0;
}

/* ---- registers ---- */

struct reg_list {
	FILE *f;
	const char *block;		/* whose line it is */
	unsigned int behave, stored, printed;
};

static void print_range(FILE *f, const struct vgpu_reg_range *r)
{
	char first[64], last[64];

	vgpu_reg_name(r->first, first, sizeof(first));
	fprintf(f, "%s", first);
	if (r->first == r->last)
		return;
	vgpu_reg_name(r->last, last, sizeof(last));
	fprintf(f, " to %s", strchr(last, ':') ? strchr(last, ':') + 1 : last);
}

static void count_range(void *arg, const char *block, const struct vgpu_reg_range *r)
{
	struct reg_list *l = arg;

	if (strcmp(block, l->block))
		return;
	*(r->read || r->write ? &l->behave : &l->stored) += r->last - r->first + 1;
}

static void list_range(void *arg, const char *block, const struct vgpu_reg_range *r)
{
	struct reg_list *l = arg;

	if (strcmp(block, l->block) || !(r->read || r->write))
		return;
	fprintf(l->f, "%s", l->printed++ ? ", " : "");
	print_range(l->f, r);
}

static void no_lock(void *opaque)
{
	(void)opaque;
}

static void *no_ptr(void *opaque, uint64_t addr, size_t *len, bool write)
{
	(void)opaque;
	(void)addr;
	(void)len;
	(void)write;
	return NULL;
}

static void no_irq(void *opaque, unsigned int vector)
{
	(void)opaque;
	(void)vector;
}

static uint64_t no_time(void *opaque)
{
	(void)opaque;
	return 0;
}

static void no_log(void *opaque, enum vgpu_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static int print_registers(FILE *f)
{
	static const struct vgpu_host_ops ops = {
		no_ptr, no_lock, no_lock, no_irq, no_time, no_log,
	};
	struct vgpu_config cfg = {
		.vram_size = VRAM, .vram = calloc(1, VRAM), .host = &ops,
	};
	struct vgpu *dev;
	unsigned int i;
	int err = -ENOMEM;

	dev = cfg.vram ? vgpu_create(&cfg, vgpu_all_blocks, &err) : NULL;
	if (!dev) {
		free(cfg.vram);
		return err;
	}
	fprintf(f, "### Registers\n\n"
		"Those with behaviour. Each block knows others that keep what is written and mean\n"
		"nothing here. All the rest are stored, too, but their first accesses are logged by\n"
		"name, and all are counted.\n\n"
		"| block | number | |\n|---|---|---|\n");
	for (i = 0; vgpu_all_blocks[i]; i++) {
		struct reg_list l = { .f = f, .block = vgpu_all_blocks[i]->name };

		vgpu_reg_ranges(dev, count_range, &l);
		if (!l.stored && !l.behave)
			continue;
		fprintf(f, "| %s | %u | ", l.block, l.behave);
		vgpu_reg_ranges(dev, list_range, &l);
		fprintf(f, "%s |\n", l.behave ? "" : "stored ones only");
	}
	fprintf(f, "\n");
	vgpu_destroy(dev);
	free(cfg.vram);
	return 0;
}

/* ---- all of it ---- */

static const struct {
	const char *name;
	int (*print)(FILE *f);
} parts[] = {
	{ "registers", print_registers },
	{ "pm4", print_pm4 },
	{ "sdma", print_sdma },
	{ "mes", print_mes },
	{ "interrupts", print_interrupts },
};

const char *list_part(unsigned int i)
{
	return i < sizeof(parts) / sizeof(parts[0]) ? parts[i].name : NULL;
}

int list_print(FILE *f, const char *part)
{
	unsigned int i;
	int r = 0;

	for (i = 0; !r && list_part(i); i++)
		if (!part || !strcmp(part, list_part(i)))
			r = parts[i].print(f);
	return r;
}
