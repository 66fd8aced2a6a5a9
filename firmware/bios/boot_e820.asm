; Collects the memory map: the first entries into boot_params.e820_table, those beyond into a setup_data node.
; DS is boot_params' segment; ES, general registers and flags change.

SETUP_DATA_SEGMENT  equ SETUP_DATA >> 4
; struct setup_data: u64 next, u32 type, u32 len
SETUP_DATA_TYPE     equ 8
SETUP_DATA_LEN      equ 12

boot_e820:
            push    ds
            pop     es
            mov     di, BP_E820_TABLE
            xor     si, si                  ; entries so far
            xor     ebx, ebx
.next:
            mov     eax, 0xe820
            mov     edx, SMAP
            mov     ecx, E820_SHORT_ENTRY_SIZE
            int     0x15
            jc      .done
            cmp     eax, SMAP
            jne     .done
            inc     si
            add     di, E820_SHORT_ENTRY_SIZE
            cmp     si, E820_MAX_ENTRIES_ZEROPAGE
            jne     .same_place
            mov     ax, SETUP_DATA_SEGMENT
            mov     es, ax
            mov     di, SETUP_DATA_HEADER_SIZE
.same_place:
            test    ebx, ebx
            jnz     .next
.done:
            mov     ax, si
            sub     ax, E820_MAX_ENTRIES_ZEROPAGE
            ja      .more_than_fit
            mov     ax, si
            mov     [BP_E820_ENTRIES], al
            ret

.more_than_fit:
            mov     byte [BP_E820_ENTRIES], E820_MAX_ENTRIES_ZEROPAGE
            mov     dword [BP_SETUP_DATA], SETUP_DATA
            movzx   eax, ax
            imul    eax, eax, E820_SHORT_ENTRY_SIZE
            mov     dword [es:0], 0
            mov     dword [es:4], 0
            mov     dword [es:SETUP_DATA_TYPE], SETUP_E820_EXT
            mov     [es:SETUP_DATA_LEN], eax
            ret
