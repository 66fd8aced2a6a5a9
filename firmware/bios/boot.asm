; The boot stage, INT 19h: what a boot loader and the kernel's own real-mode code do. It fills struct boot_params as
; Linux's boot protocol has it, asks the BIOS for the memory map, puts kernel and command line into RAM, and goes on to
; long mode.

BOOT_PARAMS_SEGMENT equ BOOT_PARAMS >> 4
KIB_TO_16_MIB       equ 15 * 1024

boot:
            mov     ax, BOOT_PARAMS_SEGMENT
            mov     ds, ax
            mov     es, ax
            cld
            xor     eax, eax
            xor     di, di
            mov     cx, BOOT_PARAMS_SIZE / 4
            rep stosd

            mov     word [BP_BOOT_FLAG], BOOT_FLAG
            mov     dword [BP_HEADER], HEADER_MAGIC
            mov     word [BP_VERSION], BOOT_PROTOCOL
            mov     byte [BP_TYPE_OF_LOADER], LOADER_QEMU
            mov     byte [BP_LOADFLAGS], LOADED_HIGH
            mov     eax, [cs:KERNEL_LOAD]
            mov     [BP_CODE32_START], eax
            mov     dword [BP_CMD_LINE_PTR], CMDLINE
            mov     dword [BP_KERNEL_ALIGNMENT], KERNEL_ALIGNMENT
            mov     dword [BP_CMDLINE_SIZE], CMDLINE_SIZE

            mov     ah, 0x88
            int     0x15
            jc      .no_88
            mov     [BP_EXT_MEM_K], ax
.no_88:
            call    boot_e801
            call    boot_e820

            mov     ebx, [cs:BOOT_COPIES]
            mov     ecx, [cs:NR_BOOT_COPIES]
            test    ecx, ecx
            jz      .nothing
            call    flat_copy
            jnc     enter_long_mode
            mov     si, no_room_for_kernel
            call    print
            mov     eax, [cs:KERNEL_END]
            call    print_hex
            mov     si, end_of_line
            call    print
.forever:
            hlt
            jmp     .forever
.nothing:
            int     0x18

; alt_mem_k: all RAM above 1 MiB if there is no hole below 16 MiB, else what is below the hole.
boot_e801:
            xor     cx, cx
            xor     dx, dx
            mov     ax, 0xe801
            int     0x15
            jc      .done
            mov     bx, cx
            or      bx, dx
            jz      .done
            cmp     cx, KIB_TO_16_MIB
            ja      .done
            movzx   ecx, cx
            mov     [BP_ALT_MEM_K], ecx
            jb      .done
            movzx   edx, dx
            shl     edx, 6
            add     [BP_ALT_MEM_K], edx
.done:
            ret

no_room_for_kernel:
            db      "BIOS: the kernel needs free RAM up to 0x", 0
end_of_line:
            db      13, 10, 0
