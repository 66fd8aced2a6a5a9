; The first code that runs. CS is still based at the top of 4 GiB, where the ROM is; everything else wants the BIOS in
; segment F000, so it is copied to the RAM there ("shadowed") and entered with the first far jump.

shadow:
            cli
            cld
            mov     ax, BIOS_SEGMENT
            mov     es, ax
            xor     si, si
            xor     di, di
            mov     cx, BIOS_SIZE / 4
            cs rep movsd
            jmp     BIOS_SEGMENT:post
