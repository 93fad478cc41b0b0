/* Stands for the C library when the core is linked to be measured: what a program
 * has anyway does not count, so it lies in a section of its own. */
#define STUB(name)                                                                                           \
    __attribute__((section(".libc"), used)) void name(void)                                                  \
    {                                                                                                        \
    }
STUB(memcpy)
STUB(memmove)
STUB(memset)
STUB(memcmp)
STUB(strlen)
STUB(strcmp)
STUB(strncmp)
STUB(strchr)
STUB(strstr)
STUB(strspn)
STUB(strcspn)
STUB(strcpy)
