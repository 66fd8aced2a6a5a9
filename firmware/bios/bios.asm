; The BIOS: the last 64 KiB of the ROM, and the segment F000 once reset has copied them there.
; nasm -f bin; offsets are those in segment F000. layout.asm has every address.
;
;   0000  e820 entries, put there by POST       d000  settings, written by whoever makes the ROM
;   59b0  RSDP, put there by POST               e000  code, below          fff0  reset vector

            org 0
            cpu x64
            bits 16

%include "layout.asm"

            times CODE - ($ - $$) db 0

%include "shadow.asm"
%include "post.asm"
%include "ivt.asm"
%include "uart.asm"
%include "int10.asm"
%include "int11_12.asm"
%include "int15.asm"
%include "e820.asm"
%include "flat.asm"
%include "boot.asm"
%include "boot_e820.asm"
%include "long_mode.asm"

            times RESET_VECTOR - ($ - $$) db 0
            jmp shadow
            times BIOS_SIZE - ($ - $$) db 0
