; From real mode through protected mode to long mode, and into the kernel: the first 4 GiB mapped to themselves in pages
; of 2 MiB, interrupts off, RSI = boot_params (Linux: Documentation/x86/boot.rst, 64-bit boot protocol).

PAGE_PRESENT_WRITE  equ 0x003
PAGE_LARGE          equ 0x080
PAGE_2M             equ 0x200000
ENTRIES             equ 512
PDPT                equ PAGE_TABLES + 0x1000
PAGE_DIRECTORIES    equ PAGE_TABLES + 0x2000
NR_DIRECTORIES      equ 4
CR4_PAE             equ 1 << 5
CR0_PG              equ 1 << 31
MSR_EFER            equ 0xc0000080
EFER_LME            equ 1 << 8

enter_long_mode:
            lgdt    [cs:gdt_pointer]
            mov     eax, cr0
            or      al, CR0_PE
            mov     cr0, eax
            jmp     dword SELECTOR_CODE32:(BIOS_BASE + .protected)

            bits    32
.protected:
            mov     ax, SELECTOR_DATA
            mov     ds, ax
            mov     es, ax
            mov     ss, ax
            mov     fs, ax
            mov     gs, ax

            ; Two levels of tables with one entry and four, zeroed, then four full directories of large pages.
            mov     edi, PAGE_TABLES
            mov     ecx, 2 * 0x1000 / 4
            xor     eax, eax
            rep stosd
            mov     dword [PAGE_TABLES], PDPT | PAGE_PRESENT_WRITE
            mov     ecx, NR_DIRECTORIES
.directory:
            lea     eax, [ecx - 1]
            shl     eax, 12
            add     eax, PAGE_DIRECTORIES | PAGE_PRESENT_WRITE
            mov     [PDPT + (ecx - 1) * 8], eax
            loop    .directory
            mov     edi, PAGE_DIRECTORIES
            mov     eax, PAGE_PRESENT_WRITE | PAGE_LARGE
            mov     ecx, NR_DIRECTORIES * ENTRIES
.page:
            mov     [edi], eax
            mov     dword [edi + 4], 0
            add     edi, 8
            add     eax, PAGE_2M
            loop    .page

            mov     eax, cr4
            or      eax, CR4_PAE
            mov     cr4, eax
            mov     eax, PAGE_TABLES
            mov     cr3, eax
            mov     ecx, MSR_EFER
            rdmsr
            or      eax, EFER_LME
            wrmsr
            mov     eax, cr0
            or      eax, CR0_PG
            mov     cr0, eax
            jmp     SELECTOR_CODE64:(BIOS_BASE + .long)

            bits    64
.long:
            xor     ebx, ebx
            xor     ebp, ebp
            xor     edi, edi
            mov     esi, BOOT_PARAMS
            mov     eax, [abs BIOS_BASE + KERNEL_ENTRY]
            jmp     rax
            bits    16
