// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/burst: writing "take BLOCKS ORDER" asks for so many blocks with GFP_ATOMIC, in an interrupt, as a network card's
 * driver does; "give" gives back what there was, in an interrupt too. Reading tells of each burst: blocks that were asked
 * for, blocks that there were, pages of the zone that were free before and after, pages reserved for such requests after.
 * Each page is written, and read before it goes.
 */
#include <linux/gfp.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

enum { MAX_BLOCKS = 4096, MAX_BURSTS = 1024 };

struct burst {
	unsigned int asked, got;
	unsigned long free_before, free_after, reserved;
};

static struct burst bursts[MAX_BURSTS];
static unsigned int nr_bursts;
static struct page *blocks[MAX_BLOCKS];
static unsigned int nr_blocks, order, wanted, nr_wrong;

static struct zone *zone(void)
{
	return &NODE_DATA(0)->node_zones[ZONE_DMA32];
}

static unsigned long *word_of(struct page *page)
{
	return page_address(page);
}

static void take(struct irq_work *work)
{
	struct burst *now = &bursts[nr_bursts++];
	unsigned int n, page;

	now->asked = wanted;
	now->free_before = zone_page_state(zone(), NR_FREE_PAGES);
	for (n = 0; n < wanted; n++) {
		struct page *block = alloc_pages_node(0, GFP_ATOMIC | __GFP_COMP, order);

		if (!block)
			continue;
		for (page = 0; page < 1u << order; page++)
			*word_of(block + page) = page_to_pfn(block + page);
		blocks[nr_blocks++] = block;
		now->got++;
	}
	now->free_after = zone_page_state(zone(), NR_FREE_PAGES);
	now->reserved = zone()->nr_reserved_highatomic;
}

static void give(struct irq_work *work)
{
	unsigned int n, page;

	for (n = 0; n < nr_blocks; n++) {
		for (page = 0; page < 1u << order; page++)
			nr_wrong += *word_of(blocks[n] + page) != page_to_pfn(blocks[n] + page);
		__free_pages(blocks[n], order);
	}
	nr_blocks = 0;
}

static struct irq_work taking = IRQ_WORK_INIT_HARD(take), giving = IRQ_WORK_INIT_HARD(give);

static void in_interrupt_now(struct irq_work *work)
{
	irq_work_queue(work);
	irq_work_sync(work);
}

static ssize_t burst_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char text[32] = "";

	if (size >= sizeof(text) || copy_from_user(text, from, size))
		return -EINVAL;
	if (sscanf(text, "take %u %u", &wanted, &order) == 2) {
		if (nr_blocks || wanted > MAX_BLOCKS || order >= MAX_ORDER || nr_bursts == MAX_BURSTS)
			return -EINVAL;
		in_interrupt_now(&taking);
	} else if (!strncmp(text, "give", 4)) {
		in_interrupt_now(&giving);
	} else {
		return -EINVAL;
	}
	return size;
}

static int burst_show(struct seq_file *m, void *unused)
{
	const struct burst *now;

	for (now = bursts; now < bursts + nr_bursts; now++)
		seq_printf(m, "asked %u got %u free %lu to %lu reserved %lu\n", now->asked, now->got, now->free_before,
			   now->free_after, now->reserved);
	seq_printf(m, "wrong %u\n", nr_wrong);
	return 0;
}

static int burst_open(struct inode *inode, struct file *file)
{
	return single_open(file, burst_show, NULL);
}

static const struct proc_ops burst_ops = {
	.proc_open = burst_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = burst_write,
};

static int __init burst_init(void)
{
	return proc_create("burst", 0600, NULL, &burst_ops) ? 0 : -ENOMEM;
}

static void __exit burst_exit(void)
{
	remove_proc_entry("burst", NULL);
	give(NULL);
}

module_init(burst_init);
module_exit(burst_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Bursts of GFP_ATOMIC requests from an interrupt");
