; Copies from ROM to RAM, anywhere in the first 4 GiB: a trip to protected mode and back. SS is 0 in real mode, so the
; stack stays where it is.

CR0_PE              equ 1

SELECTOR_CODE16     equ 0x08
SELECTOR_CODE64     equ 0x10        ; this and the next as the 64-bit boot protocol of Linux has them
SELECTOR_DATA       equ 0x18
SELECTOR_CODE32     equ 0x20
SELECTOR_DATA16     equ 0x28

            align   8
gdt:
            dq      0
            dq      0x00009b0f0000ffff      ; 16-bit code at BIOS_BASE
            dq      0x00af9b000000ffff      ; 64-bit code
            dq      0x00cf93000000ffff      ; data, 4 GiB
            dq      0x00cf9b000000ffff      ; 32-bit code, 4 GiB
            dq      0x000093000000ffff      ; data, 64 KiB: what real mode must be left with
gdt_pointer:
            dw      gdt_pointer - gdt - 1
            dd      BIOS_BASE + gdt

; EBX = flat address of a list of ECX copies: source, destination, length, room. Carry set if there is not the room in RAM
; for one of them.
; Changes general registers, DS and ES.
flat_copy:
            cld
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
            xor     edx, edx                ; copies that have nowhere to go
            mov     ebp, ecx
.next:
            test    ebp, ebp
            jz      .done
            mov     edi, [ebx + 4]
            mov     ecx, [ebx + 12]
            call    is_in_ram
            jc      .nowhere
            mov     ecx, [ebx + 8]
            mov     esi, [ebx]
            rep movsb
            jmp     .copied
.nowhere:
            inc     edx
.copied:
            add     ebx, COPY_SIZE
            dec     ebp
            jmp     .next
.done:
            jmp     SELECTOR_CODE16:.leave

            bits    16
.leave:
            mov     ax, SELECTOR_DATA16
            mov     ds, ax
            mov     es, ax
            mov     ss, ax
            mov     eax, cr0
            and     al, ~CR0_PE & 0xff
            mov     cr0, eax
            jmp     BIOS_SEGMENT:.real
.real:
            xor     ax, ax
            mov     ds, ax
            mov     es, ax
            mov     ss, ax
            cmp     ax, dx                  ; carry if DX is not 0
            ret

; Carry clear if one range of RAM holds the ECX bytes at EDI.
            bits    32
is_in_ram:
            push    esi
            push    eax
            push    ebp
            mov     ebp, [BIOS_BASE + NR_RAM_RANGES]
            mov     esi, [BIOS_BASE + RAM_RANGES]
            lea     eax, [edi + ecx - 1]
.range:
            sub     ebp, 1
            jc      .out
            cmp     edi, [esi]
            jb      .other
            cmp     [esi + 4], eax
            jae     .out                    ; carry is clear
.other:
            add     esi, RAM_RANGE_SIZE
            jmp     .range
.out:
            pop     ebp
            pop     eax
            pop     esi
            ret
            bits    16
