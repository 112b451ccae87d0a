/**
 * The instruction set of the example CPU: 32-bit, 16 registers of which r0 is always 0, one word an instruction.
 *
 *     register   op rd, rs, rt        op:8 rd:4 rs:4 rt:4 -:12
 *     immediate  op rd, rs, imm       op:8 rd:4 rs:4 imm:16, signed
 *     memory     op rd, imm(rs)       the same
 *     branch     op rd, rs, label     the same, imm in words from the next instruction
 *     upper      lui rd, imm          the immediate becomes the upper half
 *     jump       jal rd, label        op:8 rd:4 imm:20, signed, in words from the next instruction
 *     trap       trap n               asks the system
 */
export type Form = 'register' | 'immediate' | 'memory' | 'branch' | 'upper' | 'jump' | 'trap';

export const OPS = {
  add: 0x01,
  sub: 0x02,
  mul: 0x03,
  divu: 0x04,
  remu: 0x05,
  and: 0x06,
  or: 0x07,
  xor: 0x08,
  shl: 0x09,
  shr: 0x0a,
  sar: 0x0b,
  slt: 0x0c,
  sltu: 0x0d,
  addi: 0x10,
  andi: 0x11,
  ori: 0x12,
  xori: 0x13,
  shli: 0x14,
  shri: 0x15,
  slti: 0x16,
  lui: 0x17,
  lb: 0x20,
  lbu: 0x21,
  lw: 0x22,
  sb: 0x23,
  sw: 0x24,
  beq: 0x30,
  bne: 0x31,
  blt: 0x32,
  bge: 0x33,
  bltu: 0x34,
  bgeu: 0x35,
  jal: 0x38,
  jalr: 0x39,
  trap: 0x3f,
} as const;

export type OpName = keyof typeof OPS;

/** How the operands of an instruction are written. */
export function formOf(name: OpName): Form {
  const op = OPS[name];
  if (op === OPS.lui) return 'upper';
  if (op === OPS.jal) return 'jump';
  if (op === OPS.trap) return 'trap';
  if (op < OPS.addi) return 'register';
  if (op < OPS.lb || op === OPS.jalr) return 'immediate';
  return op < OPS.beq ? 'memory' : 'branch';
}
