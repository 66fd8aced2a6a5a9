#!/bin/bash
# Builds the recording kernel from Debian 12's source: WORKDIR/bzImage and WORKDIR/initrd.gz.
# usage: build.sh WORKDIR
# Needs: apt-get install linux-source-6.1 build-essential flex bison bc cpio libelf-dev xz-utils busybox-static python3
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: build.sh WORKDIR}"
work=$(cd "$1" && pwd)

if [ ! -d "$work/src" ]; then
  mkdir "$work/src"
  tar xf /usr/src/linux-source-6.1.tar.xz -C "$work/src" --strip-components=1
fi
cd "$work/src"
cp "$here/oearly.c" "$here/oalloc.c" mm/
grep -q oalloc mm/Makefile || echo 'obj-y += oearly.o oalloc.o' >>mm/Makefile
python3 - <<'PY'
path = 'mm/memblock.c'
text = open(path).read()
if 'oearly' not in text:
    end = text.index('\n}\n', text.index('void __init memblock_free_all(void)'))
    text = text[:end] + '\n\t{ extern void oearly(void); oearly(); }' + text[end:]
    open(path, 'w').write(text)

path = 'mm/page_alloc.c'
text = open(path).read()
if 'oalloc' not in text:
    # With all CPUs stopped no one fills the caches, and no one could be waited for.
    for call in ('lru_cache_disable();', 'lru_cache_enable();'):
        assert text.count('\t' + call) == 1, call
        text = text.replace('\t' + call, '\tif (!irqs_disabled())\n\t\t' + call)
    # While the recorder runs it answers for reclaim and compaction, which would have to wait.
    for result, call, asked in (('*did_some_progress', '__perform_reclaim(', 'oalloc_reclaimed()'),
                                ('*compact_result', 'try_to_compact_pages(', 'oalloc_compacted()')):
        before = f'{result} = {call}'
        assert text.count(before) == 1, before
        text = text.replace(before, f'{result} = {asked};\n\tif ((int){result} < 0)\n\t\t{before}')
    head, mark, tail = text.partition('DEFINE_MUTEX(pcpu_drain_mutex);\n')
    assert mark
    text = head + mark + '\nint oalloc_reclaimed(void);\nint oalloc_compacted(void);\n' + tail
    text += '''
bool oalloc_unreserve(gfp_t gfp, int nid, bool force);
bool oalloc_unreserve(gfp_t gfp, int nid, bool force)
{
	struct alloc_context ac = { };
	unsigned int alloc_flags = 0;
	gfp_t alloc_gfp;

	prepare_alloc_pages(gfp, 0, nid, NULL, &ac, &alloc_gfp, &alloc_flags);
	return unreserve_highatomic_pageblock(&ac, force);
}
'''
    open(path, 'w').write(text)
PY
make -s tinyconfig
scripts/kconfig/merge_config.sh -m .config "$here/kernel.config" >/dev/null
make -s olddefconfig
make -s -j"$(nproc)" bzImage
cp arch/x86/boot/bzImage "$work/"

rm -rf "$work/root"
mkdir -p "$work/root/bin"
cp "$here/init" "$work/root/init"
cp /bin/busybox "$work/root/bin/"
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip) >"$work/initrd.gz"
