/*
 * press fill PERCENT | node NODE PERCENT | modest NODE | holes LEFT | stream HOT PAGES | bursts PAGES EVERY BLOCKS ORDER: puts
 * memory under pressure as pgdat's workloads of these names do, and prints what it saw. PERCENT is of MemTotal or of the
 * node's memory; no huge pages. bursts: between any EVERY pages that it reads, burst.ko takes blocks, or gives them back.
 * gcc -O1 -static
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MPOL_BIND = 2, LOOK = 256, MAX_ZONES = 16 };

static const char *me;
static struct { int node; char name[16]; long free, low, min, below_low, below_min, below_high, high; } zones[MAX_ZONES];
static int nr_zones;
static long looks, wrong;

/* The fewest free pages that any look has found, zone by zone. */
static void look(void)
{
	char text[65536], *line, *save;
	int fd = open("/proc/zoneinfo", O_RDONLY), size = 0, got, n = -1, node;
	char name[16];
	long value;

	while ((got = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += got;
	close(fd);
	text[size] = 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "Node %d, zone %15s", &node, name) == 2) {
			if (++n == nr_zones) {
				nr_zones++;
				zones[n].node = node;
				strcpy(zones[n].name, name);
				zones[n].free = -1;
			}
		} else if (sscanf(line, "  pages free %ld", &value) == 1) {
			if (zones[n].free < 0 || value < zones[n].free)
				zones[n].free = value;
			if (!zones[n].high)
				continue;
			zones[n].below_high += value < zones[n].high;
			zones[n].below_low += value < zones[n].low;
			zones[n].below_min += value < zones[n].min;
		} else if (sscanf(line, " min %ld", &value) == 1)
			zones[n].min = value;
		else if (sscanf(line, " low %ld", &value) == 1)
			zones[n].low = value;
		else if (sscanf(line, " high %ld", &value) == 1 && !strstr(line, ":"))
			zones[n].high = value;
	}
	looks++;
}

static void tell(void)
{
	for (int n = 0; n < nr_zones; n++)
		if (zones[n].high)
			printf("%s: node %d %s: fewest free %ld, of %ld looks below high %ld low %ld min %ld\n", me, zones[n].node,
			       zones[n].name, zones[n].free, looks, zones[n].below_high, zones[n].below_low, zones[n].below_min);
	printf("%s: %ld pages wrong\n", me, wrong);
}

static long number_after(const char *path, const char *word)
{
	char line[256];
	long value = -1;
	FILE *f = fopen(path, "r");

	while (value < 0 && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, word);
		if (at)
			sscanf(at + strlen(word), "%ld", &value);
	}
	fclose(f);
	return value;
}

static uint32_t *map(long pages)
{
	uint32_t *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);

	madvise(at, pages * PAGE, MADV_NOHUGEPAGE);
	return at;
}

static void put(uint32_t *at, long page)
{
	for (int n = 0; n < PAGE / 4; n++)
		at[page * (PAGE / 4) + n] = page + n;
	if (page % LOOK == 0)
		look();
}

static void check(uint32_t *at, long page)
{
	for (int n = 0; n < PAGE / 4; n++)
		if (at[page * (PAGE / 4) + n] != (uint32_t)(page + n)) {
			wrong++;
			break;
		}
	if (page % LOOK == 0)
		look();
}

static void bind(int node)
{
	unsigned long nodes = 1ul << node;

	syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 64);
}

static long node_pages(int node)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	return number_after(path, "MemTotal:") / 4;
}

static void ask_burst(const char *what)
{
	int fd = open("/proc/burst", O_WRONLY);

	if (fd < 0 || write(fd, what, strlen(what)) < 0)
		perror("/proc/burst");
	close(fd);
}

int main(int argc, char **argv)
{
	long pages, page, hot;
	uint32_t *at;
	char *buffer = malloc(16 * PAGE);
	int fd;

	me = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	look();
	if (!strcmp(me, "fill")) {
		pages = number_after("/proc/meminfo", "MemTotal:") / 4 * atoi(argv[2]) / 100;
		at = map(pages);
		printf("fill: %ld pages\n", pages);
		for (page = 0; page < pages; page++)
			put(at, page);
		srandom(1);
		for (long n = 0; n < pages / 8; n++) {
			page = random() % pages;
			check(at, page);
			put(at, page);
		}
		for (page = 0; page < pages; page++)
			check(at, page);
	} else if (!strcmp(me, "node")) {
		pages = node_pages(atoi(argv[2])) * atoi(argv[3]) / 100;
		bind(atoi(argv[2]));
		at = map(pages);
		printf("node: %ld pages\n", pages);
		for (page = 0; page < pages; page++)
			put(at, page);
		for (page = 0; page < pages; page++)
			check(at, page);
	} else if (!strcmp(me, "modest")) {
		pages = node_pages(atoi(argv[2])) / 8;
		bind(atoi(argv[2]));
		at = map(pages);
		for (int round = 0; round < 4; round++) {
			for (page = 0; page < pages; page++)
				put(at, page);
			for (page = 0; page < pages; page++)
				check(at, page);
		}
	} else if (!strcmp(me, "holes")) {
		/* All that is free but LEFT pages; of what it takes one page in four stays. */
		pages = number_after("/proc/meminfo", "MemFree:") / 4 - atol(argv[2]);
		at = map(pages);
		for (page = 0; page < pages; page++)
			put(at, page);
		for (page = 0; page < pages; page++)
			if (page % 4)
				madvise(at + page * (PAGE / 4), PAGE, MADV_DONTNEED);
		printf("holes: %ld pages, %ld left\n", pages, (pages + 3) / 4);
		pause();
	} else if (!strcmp(me, "stream")) {
		hot = atol(argv[2]);
		pages = atol(argv[3]);
		fd = open("/dev/vdb", O_RDONLY);
		posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
		for (int round = 0; round < 2; round++)
			for (page = 0; page < hot; page += 16)
				if (pread(fd, buffer, 16 * PAGE, page * PAGE) < 0)
					wrong++;
		for (page = 0; page < pages; page += 16) {
			if (pread(fd, buffer, 16 * PAGE, (hot + page) * PAGE) < 0)
				wrong++;
			if (page % 64 == 0 && pread(fd, buffer, 16 * PAGE, page / 4 % hot * PAGE) < 0)
				wrong++;
			if (page % LOOK == 0)
				look();
		}
	} else if (!strcmp(me, "bursts")) {
		char take[32];

		snprintf(take, sizeof(take), "take %s %s", argv[4], argv[5]);
		fd = open("/dev/vdb", O_RDONLY);
		for (page = 0; page < atol(argv[2]); page += 16) {
			if (pread(fd, buffer, 16 * PAGE, page * PAGE) < 0)
				wrong++;
			if ((page + 16) % atol(argv[3]) == 0)
				ask_burst((page + 16) / atol(argv[3]) % 2 ? take : "give");
			if (page % LOOK == 0)
				look();
		}
	}
	look();
	tell();
	return 0;
}
