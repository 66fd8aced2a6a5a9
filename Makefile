# make boot    boots the default machine (two nodes, 4 GiB); ARGS="..." are handed to `pgdat boot`
# make test    runs all tests
# make check   types, lint, unused code
# make soak    what takes too long for make test: about 45 minutes on two cores, and 20 GiB of memory for the largest machines
# Each installs what is missing first.

.PHONY: boot test check soak bench setup clean

boot: setup
	@node bin/pgdat.mjs boot $(ARGS)

test: setup
	@tools/packages.sh iasl=acpica-tools
	@npx vitest run

check: node_modules/.package-lock.json
	@npx tsc --noEmit
	@npx biome check .
	@npx knip

soak: setup
	@tools/packages.sh iasl=acpica-tools
	@PGDAT_SOAK=1 npx vitest run

bench: setup
	@node bin/pgdat.mjs bench boot

# A machine without nasm or the engine can still boot with --firmware none: say what is missing and go on.
setup: node_modules/.package-lock.json
	@tools/packages.sh nasm=nasm || true
	@node tools/unicorn.mjs || true

# Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms, which a mirror may not carry.
node_modules/.package-lock.json: package.json package-lock.json
	@npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	rm -rf build coverage node_modules .cache
