// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the boot of the page allocator. With "oearly" on the command line, oearly() prints memblock's lists and, zone
 * by zone, every free list from head to tail and every pageblock's migratetype, right after memblock_free_all().
 * build.sh adds this file to mm/ and the call to mm/memblock.c; boot_case.py reads what is printed.
 */
#include <linux/mm.h>
#include <linux/memblock.h>
#include <linux/mmzone.h>
#include <linux/page-isolation.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <asm/setup.h>

#define PFNS_PER_LINE 64
#define NO_MEMORY_MAP 0xf

void oearly(void);

static void __init show_regions(const char *name, struct memblock_type *type)
{
	unsigned long i;

	for (i = 0; i < type->cnt; i++) {
		struct memblock_region *r = &type->regions[i];

		pr_info("OEARLY %s %llx %llx nid %d flags %x\n", name, (u64)r->base, (u64)r->size,
			memblock_get_region_node(r), r->flags);
	}
}

static void __init show_free_list(struct zone *zone, int order, int type)
{
	struct page *page;
	int n = 0;

	list_for_each_entry(page, &zone->free_area[order].free_list[type], buddy_list) {
		if (n++ % PFNS_PER_LINE == 0)
			pr_info("OEARLY free %d %s %d/%d", zone_to_nid(zone), zone->name, order, type);
		pr_cont(" %lx", page_to_pfn(page));
	}
	if (n)
		pr_cont("\n");
}

/* A block that the zone begins in the middle of is looked up at the zone's first page. */
static int __init block_type(struct zone *zone, unsigned long pfn)
{
	pfn = max(pfn, zone->zone_start_pfn);
	return pfn_valid(pfn) ? get_pageblock_migratetype(pfn_to_page(pfn)) : NO_MEMORY_MAP;
}

static void __init show_blocks(struct zone *zone)
{
	unsigned long pfn = zone->zone_start_pfn & ~(pageblock_nr_pages - 1);

	pr_info("OEARLY blocks %d %s", zone_to_nid(zone), zone->name);
	while (pfn < zone_end_pfn(zone)) {
		int type = block_type(zone, pfn);
		unsigned long count = 0;

		do {
			count++;
			pfn += pageblock_nr_pages;
		} while (pfn < zone_end_pfn(zone) && block_type(zone, pfn) == type);
		pr_cont(" %x*%lu", type, count);
	}
	pr_cont("\n");
}

static void __init show_zone(struct zone *zone)
{
	int order, type;

	pr_info("OEARLY zone %d %s %lu %lu %lu %lu %ld\n", zone_to_nid(zone), zone->name, zone->zone_start_pfn,
		zone->spanned_pages, zone->present_pages, zone_managed_pages(zone),
		atomic_long_read(&zone->vm_stat[NR_FREE_PAGES]));
	if (!populated_zone(zone))
		return;
	for (order = 0; order < MAX_ORDER; order++)
		for (type = 0; type < MIGRATE_TYPES; type++)
			show_free_list(zone, order, type);
	show_blocks(zone);
}

void __init oearly(void)
{
	int nid, i;

	if (!strstr(boot_command_line, "oearly"))
		return;
	show_regions("memory", &memblock.memory);
	show_regions("reserved", &memblock.reserved);
	for_each_online_node(nid)
		for (i = 0; i < MAX_NR_ZONES; i++)
			show_zone(&NODE_DATA(nid)->node_zones[i]);
}
