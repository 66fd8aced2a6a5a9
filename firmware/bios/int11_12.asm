; INT 11h, the equipment word, and INT 12h, KiB of RAM from address 0: both read the BIOS data area.

int11:
            push    ds
            push    word 0
            pop     ds
            mov     ax, [BDA_EQUIPMENT]
            pop     ds
            iret

int12:
            push    ds
            push    word 0
            pop     ds
            mov     ax, [BDA_BASE_MEMORY_KIB]
            pop     ds
            iret
