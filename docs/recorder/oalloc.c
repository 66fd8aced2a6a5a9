// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the page allocator at work. "SEED OPS PERIOD LETTERS" written to /proc/oalloc runs OPS random operations with
 * all CPUs stopped; reading it gives the state before, the operations with their results, and the state after.
 * Allocations and frees are always among them: PERIOD operations that mostly allocate, then as many that mostly free.
 * LETTERS adds others: those of docs/oracle.md; x, which has more than half of the requests be atomic ones of a high
 * order; v, which has a quarter heed no watermark, so that the last page goes. alloc_case.py reads what is printed.
 *
 * Ranges to isolate are taken from pageblocks that were wholly free at the start: there is nothing to migrate then.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/compaction.h>
#include <linux/page-isolation.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/sysctl.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "internal.h"

#define TEXT_SIZE (48u << 20)
#define LINE_SIZE 8192
#define NO_MEMORY_MAP 0xf
#define MAX_RANGES 8
#define MAX_BULK 48
#define FEATURE_RATE 16
#define DONE (-1)

/* Added to mm/page_alloc.c by build.sh, as what it calls is static there. */
bool oalloc_unreserve(gfp_t gfp, int nid, bool force);
/* Asked there in place of reclaim and compaction: -1 means that the recorder does not run. */
int oalloc_reclaimed(void);
int oalloc_compacted(void);

static const gfp_t kinds[] = {
	GFP_KERNEL & ~__GFP_RECLAIM,
	GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM,
	(GFP_KERNEL | __GFP_RECLAIMABLE) & ~__GFP_RECLAIM,
	GFP_ATOMIC & ~__GFP_RECLAIM,
	(GFP_KERNEL | __GFP_DMA32) & ~__GFP_RECLAIM,
	(GFP_KERNEL | __GFP_MEMALLOC) & ~__GFP_RECLAIM,
	(GFP_HIGHUSER_MOVABLE | __GFP_COMP) & ~__GFP_RECLAIM,
	/* Those that may reclaim or wake kswapd: letter q alone asks for them. */
	GFP_KERNEL | __GFP_RETRY_MAYFAIL,
	GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL,
	GFP_ATOMIC,
	GFP_NOWAIT,
	GFP_USER | __GFP_NORETRY,
};

#define FIRST_RECLAIM_KIND 7

struct page_range {
	unsigned long start, count;
	int type;
};

static char *text;
static size_t text_len;
static u32 seed, nr_ops, period, op_index;
static char letters[24];
static u32 *live_pfn, live;
static u8 *live_order;
static struct page_range isolated[MAX_RANGES], taken[MAX_RANGES];
static int nr_isolated, nr_taken;
/* Zones and runs of pageblocks that were free at the start. */
static struct page_range clean[4096];
static int nr_clean;
static int turn;
/* How often reclaim still says that it freed something, and what compaction says. */
static int reclaim_successes, compact_answer;
static bool running;

static u32 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

static u32 below(u32 n)
{
	return (rnd() >> 8) % n;
}

static __printf(1, 2) void put(const char *format, ...)
{
	va_list args;

	if (text_len + LINE_SIZE > TEXT_SIZE)
		return;
	va_start(args, format);
	text_len += vscnprintf(text + text_len, LINE_SIZE, format, args);
	va_end(args);
}

int oalloc_reclaimed(void)
{
	if (!running)
		return -1;
	return reclaim_successes > 0 && reclaim_successes--;
}

int oalloc_compacted(void)
{
	return running ? compact_answer : -1;
}

static bool has(char letter)
{
	return strchr(letters, letter);
}

/* --- the state --- */

static void show_cpu(struct zone *zone, int cpu)
{
	struct per_cpu_pages *pcp = per_cpu_ptr(zone->per_cpu_pageset, cpu);
	struct per_cpu_zonestat *stat = per_cpu_ptr(zone->per_cpu_zonestats, cpu);
	struct page *page;
	int i;

	put("cpu %d %d %d %d %d %d %d %d\n", cpu, pcp->count, pcp->high, pcp->batch, pcp->free_factor,
	    stat->vm_stat_diff[NR_FREE_PAGES], stat->vm_stat_diff[NR_FREE_CMA_PAGES], stat->stat_threshold);
	for (i = 0; i < NR_PCP_LISTS; i++) {
		if (list_empty(&pcp->lists[i]))
			continue;
		put("pcp %d", i);
		list_for_each_entry(page, &pcp->lists[i], pcp_list)
			put(" %lx/%lx", page_to_pfn(page), page->index);
		put("\n");
	}
}

static int block_type(struct zone *zone, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(max(pfn, zone->zone_start_pfn));

	return page ? get_pageblock_migratetype(page) : NO_MEMORY_MAP;
}

static void show_zone(struct zone *zone)
{
	unsigned long pfn = zone->zone_start_pfn & ~(pageblock_nr_pages - 1);
	struct page *page;
	int order, type, cpu, i;

	put("zone %d %d %s %lu %lu %lu %lu\n", zone_to_nid(zone), (int)zone_idx(zone), zone->name, zone->zone_start_pfn,
	    zone->spanned_pages, zone->present_pages, zone_managed_pages(zone));
	put("marks %lu %lu %lu %lu %lu %ld %ld %lu %lu %lu\n", zone->_watermark[WMARK_MIN], zone->_watermark[WMARK_LOW],
	    zone->_watermark[WMARK_HIGH], zone->watermark_boost, zone->nr_reserved_highatomic,
	    atomic_long_read(&zone->vm_stat[NR_FREE_PAGES]), atomic_long_read(&zone->vm_stat[NR_FREE_CMA_PAGES]),
	    zone->nr_isolate_pageblock, zone->percpu_drift_mark, zone->flags);
	put("reserve");
	for (i = 0; i < MAX_NR_ZONES; i++)
		put(" %ld", zone->lowmem_reserve[i]);
	put("\n");
	for_each_online_cpu(cpu)
		show_cpu(zone, cpu);
	for (order = 0; order < MAX_ORDER; order++) {
		for (type = 0; type < MIGRATE_TYPES; type++) {
			if (list_empty(&zone->free_area[order].free_list[type]))
				continue;
			put("free %d/%d", order, type);
			list_for_each_entry(page, &zone->free_area[order].free_list[type], buddy_list)
				put(" %lx", page_to_pfn(page));
			put("\n");
		}
	}
	put("blocks");
	while (pfn < zone_end_pfn(zone)) {
		unsigned long count = 0;

		type = block_type(zone, pfn);
		do {
			count++;
			pfn += pageblock_nr_pages;
		} while (pfn < zone_end_pfn(zone) && block_type(zone, pfn) == type);
		put(" %x*%lu", type, count);
	}
	put("\n");
}

static void show_state(const char *name)
{
	struct zone *zone;
	int cpu;

	put("=====BEGIN %s\nmin_free_kbytes %d\nnodes", name, min_free_kbytes);
	for_each_online_cpu(cpu)
		put(" %d", cpu_to_node(cpu));
	put("\n");
	for_each_populated_zone(zone)
		show_zone(zone);
	put("=====END\n");
}

/* --- ranges --- */

/* Blocks on per-cpu lists count as free. They carry no mark, so they are looked for. */
static bool on_pcp_list(struct zone *zone, struct page *wanted)
{
	struct page *page;
	int cpu, i;

	for_each_online_cpu(cpu) {
		struct per_cpu_pages *pcp = per_cpu_ptr(zone->per_cpu_pageset, cpu);

		for (i = 0; i < NR_PCP_LISTS; i++) {
			list_for_each_entry(page, &pcp->lists[i], pcp_list) {
				unsigned long order = i < NR_LOWORDER_PCP_LISTS ? i / MIGRATE_PCPTYPES : pageblock_order;

				if (wanted >= page && wanted < page + (1ul << order))
					return true;
			}
		}
	}
	return false;
}

static bool block_is_free(struct zone *zone, unsigned long start)
{
	unsigned long pfn = start;

	if (start < zone->zone_start_pfn || start + pageblock_nr_pages > zone_end_pfn(zone))
		return false;
	while (pfn < start + pageblock_nr_pages) {
		struct page *page = pfn_to_online_page(pfn);

		if (!page || page_zone(page) != zone)
			return false;
		if (PageBuddy(page))
			pfn += 1ul << buddy_order(page);
		else if (!page_count(page) && on_pcp_list(zone, page))
			pfn++;
		else
			return false;
	}
	return true;
}

static void find_clean_blocks(void)
{
	struct zone *zone;
	unsigned long pfn;

	nr_clean = 0;
	for_each_populated_zone(zone) {
		/* The second half of a block of order 10 does not begin with a free block's first page. */
		unsigned long covered = 0;
		bool adjacent = false;

		for (pfn = pageblock_align(zone->zone_start_pfn); pfn < zone_end_pfn(zone); pfn += pageblock_nr_pages) {
			struct page *page = pfn_to_online_page(pfn);
			bool is_free = pfn < covered || block_is_free(zone, pfn);

			if (page && page_zone(page) == zone && PageBuddy(page))
				covered = max(covered, pfn + (1ul << buddy_order(page)));
			if (is_free && adjacent)
				clean[nr_clean - 1].count += pageblock_nr_pages;
			else if (is_free && nr_clean < ARRAY_SIZE(clean))
				clean[nr_clean++] = (struct page_range){ pfn, pageblock_nr_pages };
			adjacent = is_free && nr_clean > 0 &&
				   clean[nr_clean - 1].start + clean[nr_clean - 1].count == pfn + pageblock_nr_pages;
		}
	}
}

/* Whole pageblocks half of the time. */
static bool pick_range(struct page_range *range)
{
	struct page_range *run;
	unsigned long offset, size;

	if (!nr_clean)
		return false;
	run = &clean[below(nr_clean)];
	offset = below(run->count);
	size = 1 + below(below(2) ? 64 : 4 * pageblock_nr_pages);
	if (below(2)) {
		offset &= ~(pageblock_nr_pages - 1);
		size = ALIGN(size, pageblock_nr_pages);
	}
	range->start = run->start + offset;
	range->count = min(size, run->count - offset);
	range->type = get_pageblock_migratetype(pfn_to_page(range->start)) == MIGRATE_CMA ? MIGRATE_CMA : MIGRATE_MOVABLE;
	return true;
}

static void op_isolate(void)
{
	struct page_range range;
	int ret;

	if (nr_isolated == MAX_RANGES || (nr_isolated && below(2))) {
		u32 i = below(nr_isolated);

		range = isolated[i];
		isolated[i] = isolated[--nr_isolated];
		undo_isolate_page_range(range.start, range.start + range.count, range.type);
		put("u %lu %lu %d\n", range.start, range.count, range.type);
		return;
	}
	if (!pick_range(&range))
		return;
	ret = start_isolate_page_range(range.start, range.start + range.count, range.type, 0, GFP_KERNEL);
	put("i %lu %lu %d %d\n", range.start, range.count, range.type, ret);
	if (!ret)
		isolated[nr_isolated++] = range;
}

static void free_taken(u32 i)
{
	struct page_range range = taken[i];

	taken[i] = taken[--nr_taken];
	free_contig_range(range.start, range.count);
	put("e %lu %lu\n", range.start, range.count);
}

static void op_contig_range(void)
{
	struct page_range range;
	int ret;

	if (nr_taken == MAX_RANGES || (nr_taken && below(3) == 0)) {
		free_taken(below(nr_taken));
		return;
	}
	if (!pick_range(&range))
		return;
	ret = alloc_contig_range(range.start, range.start + range.count, range.type, GFP_KERNEL | __GFP_NOWARN);
	put("r %lu %lu %d %d\n", range.start, range.count, range.type, ret);
	if (!ret)
		taken[nr_taken++] = range;
}

/* Only where it finds what it wants in ZONE_MOVABLE: other zones have pages that would be migrated. */
static bool contig_pages_fit(int nid, unsigned long count)
{
	struct zone *zone = &NODE_DATA(nid)->node_zones[ZONE_MOVABLE];
	unsigned long pfn, p;
	int i;

	for (i = 0; i < nr_clean; i++)
		if (clean[i].start == zone->zone_start_pfn && clean[i].count == zone->spanned_pages)
			break;
	if (i == nr_clean)
		return false;
	for (pfn = ALIGN(zone->zone_start_pfn, count); pfn + count <= zone_end_pfn(zone); pfn += count) {
		unsigned long from = pageblock_start_pfn(pfn), to = pageblock_align(pfn + count);

		for (p = from; p < to && block_type(zone, p) != MIGRATE_ISOLATE; )
			if (PageBuddy(pfn_to_page(p)))
				p += 1ul << buddy_order(pfn_to_page(p));
			else
				break;
		if (p >= to)
			return true;
	}
	return false;
}

static void op_contig_pages(void)
{
	unsigned long count = 1 + below(below(2) ? 200 : 3 * pageblock_nr_pages);
	int nid = below(num_online_nodes());
	struct page *page;

	if (below(2))
		count = roundup_pow_of_two(count);
	if (nr_taken == MAX_RANGES || !contig_pages_fit(nid, count))
		return;
	page = alloc_contig_pages(count, kinds[1] | __GFP_THISNODE | __GFP_NOWARN, nid, NULL);
	put("p %lu %d %d %lu\n", count, 1, nid, page ? page_to_pfn(page) : 0);
	if (page)
		taken[nr_taken++] = (struct page_range){ page_to_pfn(page), count };
}

/* --- pages --- */

static int pick_node(void)
{
	int k = below(num_online_nodes()), nid = first_online_node;

	while (k--)
		nid = next_online_node(nid);
	return nid;
}

static void keep(unsigned long pfn, int order)
{
	live_pfn[live] = pfn;
	live_order[live++] = order;
}

static void op_alloc(void)
{
	static const u8 order_odds[] = { 160, 192, 212, 228, 236, 242, 246, 249, 251, 254, 255 };
	static const u8 kind_odds[] = { 30, 70, 82, 90, 92, 93, 99 };
	u32 q = rnd() >> 8;
	int order = 0, kind = 0, nid = pick_node();
	struct page *page;

	while (order_odds[order] < (q & 0xff))
		order++;
	q = (q >> 8) % 100;
	while (kind_odds[kind] < q)
		kind++;
	if (has('x') && below(5) < 3) {
		order = 1 + below(5);
		kind = 3;
	}
	if (has('v') && below(4) == 0) {
		order = below(2);
		kind = 5;
	}
	page = __alloc_pages(kinds[kind] | __GFP_NOWARN, order, nid, NULL);
	put("a %d %d %lu %d\n", order, kind, page ? page_to_pfn(page) : 0, nid);
	if (page)
		keep(page_to_pfn(page), order);
}

/* Reclaim frees nothing, whatever it says: then all that direct reclaim does is to look for what is there. */
static void op_reclaim(void)
{
	static const u8 answers[] = { COMPACT_SKIPPED, COMPACT_DEFERRED, COMPACT_COMPLETE, COMPACT_CONTENDED, COMPACT_SUCCESS };
	int order = below(5), kind = FIRST_RECLAIM_KIND + below(ARRAY_SIZE(kinds) - FIRST_RECLAIM_KIND);
	int nid = pick_node(), successes = below(3);
	struct page *page;

	reclaim_successes = successes;
	compact_answer = answers[below(ARRAY_SIZE(answers))];
	page = __alloc_pages(kinds[kind] | __GFP_NOWARN, order, nid, NULL);
	put("q %d %d %d %d %d %lu\n", order, kind, nid, successes, compact_answer, page ? page_to_pfn(page) : 0);
	if (page)
		keep(page_to_pfn(page), order);
}

static void op_free(void)
{
	u32 i = below(live), pfn = live_pfn[i], order = live_order[i];

	live--;
	live_pfn[i] = live_pfn[live];
	live_order[i] = live_order[live];
	__free_pages(pfn_to_page(pfn), order);
	put("f %u %u\n", order, pfn);
}

static void op_bulk(bool list)
{
	static struct page *pages[MAX_BULK];
	int nr = 1 + below(MAX_BULK), kind = below(4), nid = pick_node(), got, i = 0;
	LIST_HEAD(head);
	struct page *page;

	memset(pages, 0, sizeof(pages));
	got = __alloc_pages_bulk(kinds[kind] | __GFP_NOWARN, nid, NULL, nr, list ? &head : NULL, list ? NULL : pages);
	put("%c %d %d %d", list ? 'l' : 'b', nr, kind, nid);
	if (list)
		list_for_each_entry(page, &head, lru)
			pages[i++] = page;
	for (i = 0; i < got; i++) {
		put(" %lu", page_to_pfn(pages[i]));
		keep(page_to_pfn(pages[i]), 0);
	}
	put("\n");
}

/* --- lists and settings --- */

static struct zone *pick_zone(void)
{
	struct zone *zone;
	int n = 0;

	for_each_populated_zone(zone)
		n++;
	n = 1 + below(n);
	for_each_populated_zone(zone)
		if (--n == 0)
			break;
	return zone;
}

static void op_drain(char how)
{
	struct zone *zone = how == 'd' ? NULL : pick_zone();

	if (how == 'y')
		drain_local_pages(zone);
	else
		drain_all_pages(zone);
	put("%c %d %d\n", how, zone ? zone_to_nid(zone) : -1, zone ? (int)zone_idx(zone) : -1);
}

static void op_unreserve(void)
{
	int kind = below(4), nid = pick_node();
	bool force = below(2);

	put("h %d %d %d %d\n", kind, nid, force, oalloc_unreserve(kinds[kind] | __GFP_NOWARN, nid, force));
}

/* As kswapd does while it reclaims. */
static void op_reclaim_active(void)
{
	struct zone *zone = pick_zone();
	bool active = below(3) > 0;

	if (active)
		set_bit(ZONE_RECLAIM_ACTIVE, &zone->flags);
	else
		clear_bit(ZONE_RECLAIM_ACTIVE, &zone->flags);
	put("o %d %d %d\n", zone_to_nid(zone), (int)zone_idx(zone), active);
}

static int write_sysctl(proc_handler *handler, void *data, int size, char *value)
{
	static int least;
	struct ctl_table table = { .data = data, .maxlen = size, .mode = 0644, .extra1 = &least };
	size_t len = strlen(value);
	loff_t pos = 0;

	return handler(&table, 1, value, &len, &pos);
}

static void op_min_free_kbytes(void)
{
	char value[16];

	snprintf(value, sizeof(value), "%u\n", 512 + below(8192));
	write_sysctl(min_free_kbytes_sysctl_handler, &min_free_kbytes, sizeof(int), value);
	put("m %d\n", min_free_kbytes);
}

static void op_high_fraction(void)
{
	char value[16];

	snprintf(value, sizeof(value), "%u\n", below(3) ? 8 + below(100) : 0);
	write_sysctl(percpu_pagelist_high_fraction_sysctl_handler, &percpu_pagelist_high_fraction, sizeof(int), value);
	put("g %d\n", percpu_pagelist_high_fraction);
}

static void op_reserve_ratio(void)
{
	char value[64];
	u32 dma = 1 + below(300), dma32 = 1 + below(100), normal = 1 + below(20);

	snprintf(value, sizeof(value), "%u %u %u 0\n", dma, dma32, normal);
	write_sysctl(lowmem_reserve_ratio_sysctl_handler, sysctl_lowmem_reserve_ratio,
		     sizeof(sysctl_lowmem_reserve_ratio), value);
	put("w %d %d %d %d\n", sysctl_lowmem_reserve_ratio[0], sysctl_lowmem_reserve_ratio[1],
	    sysctl_lowmem_reserve_ratio[2], sysctl_lowmem_reserve_ratio[3]);
}

static void op_scale_factor(void)
{
	char value[16];

	snprintf(value, sizeof(value), "%u\n", 1 + below(below(2) ? 20 : 400));
	write_sysctl(watermark_scale_factor_sysctl_handler, &watermark_scale_factor, sizeof(int), value);
	put("s %d\n", watermark_scale_factor);
}

static void op_boost_factor(void)
{
	char value[16];

	snprintf(value, sizeof(value), "%u\n", below(3) ? 2000 * below(20) : 0);
	write_sysctl(proc_dointvec_minmax, &watermark_boost_factor, sizeof(int), value);
	put("k %d\n", watermark_boost_factor);
}

/* --- the run --- */

static void other_op(char letter)
{
	switch (letter) {
	case 'i': op_isolate(); break;
	case 'r': op_contig_range(); break;
	case 'p': op_contig_pages(); break;
	case 'b': op_bulk(false); break;
	case 'l': op_bulk(true); break;
	case 'd': case 'z': case 'y': op_drain(letter); break;
	case 'h': op_unreserve(); break;
	case 'm': op_min_free_kbytes(); break;
	case 'g': op_high_fraction(); break;
	case 'w': op_reserve_ratio(); break;
	case 'q': op_reclaim(); break;
	case 'o': op_reclaim_active(); break;
	case 's': op_scale_factor(); break;
	case 'k': op_boost_factor(); break;
	}
}

static void one_op(void)
{
	bool growing = (op_index / period) % 2 == 0;

	if (below(FEATURE_RATE) == 0)
		other_op(letters[below(strlen(letters))]);
	else if (!live || below(256) < (growing ? 200 : 80))
		op_alloc();
	else
		op_free();
}

static void leave_clean(void)
{
	struct zone *zone;

	running = false;
	for_each_populated_zone(zone)
		clear_bit(ZONE_RECLAIM_ACTIVE, &zone->flags);
	while (nr_isolated) {
		struct page_range *range = &isolated[--nr_isolated];

		undo_isolate_page_range(range->start, range->start + range->count, range->type);
	}
	while (nr_taken) {
		nr_taken--;
		free_contig_range(taken[nr_taken].start, taken[nr_taken].count);
	}
	while (live) {
		live--;
		__free_pages(pfn_to_page(live_pfn[live]), live_order[live]);
	}
}

/* Every CPU is here, interrupts off. They take turns; preempt_count keeps cond_resched() from scheduling. */
static int run(void *unused)
{
	int me = raw_smp_processor_id(), now;

	__preempt_count_add(1);
	if (me == cpumask_first(cpu_online_mask)) {
		find_clean_blocks();
		running = true;
		show_state("before");
		put("=====BEGIN ops\n");
		smp_store_release(&turn, me);
	}
	while ((now = smp_load_acquire(&turn)) != DONE) {
		if (now != me) {
			cpu_relax();
			continue;
		}
		if (op_index++ == nr_ops) {
			put("=====END\n");
			show_state("after");
			leave_clean();
			smp_store_release(&turn, DONE);
		} else if (has('c') && below(12) == 0) {
			int next = below(num_online_cpus());

			put("c %d\n", next);
			smp_store_release(&turn, next);
		} else {
			one_op();
		}
	}
	__preempt_count_sub(1);
	return 0;
}

static int oalloc_show(struct seq_file *m, void *unused)
{
	seq_write(m, text, text_len);
	return 0;
}

static int oalloc_open(struct inode *inode, struct file *file)
{
	return single_open_size(file, oalloc_show, NULL, text_len + PAGE_SIZE);
}

static ssize_t oalloc_write(struct file *file, const char __user *from, size_t n, loff_t *pos)
{
	size_t room;
	char line[80];

	n = min(n, sizeof(line) - 1);
	if (copy_from_user(line, from, n))
		return -EFAULT;
	line[n] = 0;
	if (text || sscanf(line, "%u %u %u %23s", &seed, &nr_ops, &period, letters) != 4 || !seed || !period)
		return -EINVAL;
	room = (size_t)nr_ops * (MAX_BULK + 1);
	text = vzalloc_node(TEXT_SIZE, 0);
	live_pfn = vzalloc_node(room * sizeof(*live_pfn), 0);
	live_order = vzalloc_node(room, 0);
	if (!text || !live_pfn || !live_order)
		return -ENOMEM;
	lru_add_drain_all();
	turn = -2;
	stop_machine(run, NULL, cpu_online_mask);
	return n;
}

static const struct proc_ops oalloc_ops = {
	.proc_open = oalloc_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = oalloc_write,
};

static int __init oalloc_init(void)
{
	proc_create("oalloc", 0600, NULL, &oalloc_ops);
	return 0;
}
late_initcall(oalloc_init);
