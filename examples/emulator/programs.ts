/** Programs for the example CPU. */

/** System calls, by the number of their trap. Arguments are in r1 to r3, the answer in r1; an error is -1. */
export const TRAPS = { exit: 1, print: 2, mmap: 3, munmap: 4, fork: 5, wait: 6, putNumber: 7 } as const;

/** Primes below r1 by the sieve of Eratosthenes, a byte a number from r2 on; the count is left in r1. */
export const SIEVE = `
sieve:
    li   r3, 2              # candidate
    li   r4, 0              # count
    li   r7, 1
next:
    bgeu r3, r1, done
    add  r5, r2, r3
    lbu  r6, 0(r5)
    bne  r6, r0, skip
    addi r4, r4, 1
    add  r8, r3, r3         # its multiples
strike:
    bgeu r8, r1, skip
    add  r5, r2, r8
    sb   r7, 0(r5)
    add  r8, r8, r3
    jal  r0, strike
skip:
    addi r3, r3, 1
    jal  r0, next
done:
    add  r1, r4, r0
    trap 1
`;

/** Fills r1 words from r2 on with a pseudo-random sequence, r3 times over, summing as it goes; the sum is left in r1. */
export const SCATTER = `
    li   r4, 12345
    li   r10, 1103515245
    li   r11, 12345
    li   r9, 0
round:
    beq  r3, r0, over
    li   r5, 0
store:
    bgeu r5, r1, again
    mul  r4, r4, r10
    add  r4, r4, r11
    shri r6, r4, 4
    remu r6, r6, r1
    shli r6, r6, 2
    add  r6, r6, r2
    lw   r7, 0(r6)
    add  r9, r9, r7
    sw   r4, 0(r6)
    addi r5, r5, 1
    jal  r0, store
again:
    addi r3, r3, -1
    jal  r0, round
over:
    add  r1, r9, r0
    trap 1
`;

/** A program of two processes: memory is mapped, the child writes to its copy, the parent finds its own unchanged. */
export const FORK = `
    li   r1, 8192           # two pages
    trap 3
    add  r12, r1, r0
    li   r2, 1000
    sw   r2, 0(r12)
    trap 5                  # fork: 0 in the child
    bne  r1, r0, parent
    lw   r2, 0(r12)
    addi r2, r2, 1
    sw   r2, 0(r12)
    la   r1, saysChild
    li   r2, 13
    trap 2
    lw   r1, 0(r12)
    trap 7
    li   r1, 0
    trap 1
parent:
    trap 6                  # wait
    la   r1, saysParent
    li   r2, 13
    trap 2
    lw   r1, 0(r12)
    trap 7
    add  r1, r12, r0
    li   r2, 8192
    trap 4
    lw   r1, 0(r12)         # nothing is mapped here any more
    trap 1
saysChild:
    .ascii "child  reads "
saysParent:
    .ascii "parent reads "
`;
