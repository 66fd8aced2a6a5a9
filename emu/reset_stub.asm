; From the state in which an engine opens (64-bit code, no paging) to true real mode, by what the architecture offers:
; paging on, a far return into 16-bit compatibility mode, paging off, long mode off, protection off.
; It ends in HLT with CS = 0x0600, so that whoever runs it can see that CS is what it should be.
; Run once at a reset; reset_stub.ts holds these bytes, and a test assembles this file and compares.

CODE      equ 0x6000
PML4      equ 0x1000          ; the three tables follow each other
STACK     equ 0x7000
CR0_RESET equ 0x60000010
CR0_PE    equ 0x00000001
CR0_PG    equ 0x80000000
EFER      equ 0xc0000080

        org CODE
        bits 64
start:  lgdt [rel gdtr]
        cld
        mov edi, PML4
        xor eax, eax
        mov ecx, 3 * 4096 / 4
        rep stosd
        mov dword [PML4], PML4 + 0x1003
        mov dword [PML4 + 0x1000], PML4 + 0x2003
        mov dword [PML4 + 0x2000], 0x83         ; the first 2 MiB
        mov eax, 0x20                           ; PAE
        mov cr4, rax
        mov eax, PML4
        mov cr3, rax
        mov eax, CR0_PG | CR0_PE | 0x10
        mov cr0, rax
        mov esp, STACK
        push code16 - gdt
        push compat
        retfq

        bits 16
compat: mov ax, data16 - gdt
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov fs, ax
        mov gs, ax
        mov eax, CR0_PE | CR0_RESET             ; without paging the CPU leaves long mode
        mov cr0, eax
        mov ecx, EFER
        xor eax, eax
        xor edx, edx
        wrmsr
        mov cr4, eax
        mov cr3, eax
        mov eax, CR0_RESET
        mov cr0, eax
        lidt [idtr]
        jmp CODE / 16 : real - CODE
real:   xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov fs, ax
        mov gs, ax
        hlt

        align 8
idtr:   dw 0x3ff
        dd 0
        align 8
gdt:    dq 0
code16: dq 0x00009a000000ffff
data16: dq 0x000092000000ffff
gdtr:   dw gdtr - gdt - 1
        dq gdt
