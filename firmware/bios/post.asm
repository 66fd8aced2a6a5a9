; Power-on self test: a stack, interrupt vectors, the serial port, the data areas, then ACPI tables and the e820 map from
; ROM to RAM, then the boot stage. No device interrupts: this machine polls.

EQUIPMENT_ONE_SERIAL_PORT   equ 1 << 9
BDA_COM1                    equ BDA
BDA_EBDA_SEGMENT            equ BDA + 0x0e
BDA_EQUIPMENT               equ BDA + 0x10
BDA_BASE_MEMORY_KIB         equ BDA + 0x13

post:
            xor     ax, ax
            mov     ds, ax
            mov     ss, ax
            mov     esp, STACK_TOP
            call    ivt_init
            call    uart_init

            mov     word [BDA_COM1], COM1
            mov     word [BDA_EBDA_SEGMENT], EBDA >> 4
            mov     word [BDA_EQUIPMENT], EQUIPMENT_ONE_SERIAL_PORT
            mov     word [BDA_BASE_MEMORY_KIB], BASE_MEMORY_KIB
            ; The first byte of the extended area is its size in KiB.
            mov     ax, EBDA >> 4
            mov     es, ax
            mov     byte [es:0], 1

            mov     ebx, [cs:COPIES]
            mov     ecx, [cs:NR_COPIES]
            call    flat_copy
            jnc     .tables_done
            mov     si, no_room_for_tables
            call    print
.tables_done:
            int     0x19

no_room_for_tables:
            db      "BIOS: no RAM where the ACPI tables should go", 13, 10, 0
