/** What both faces of a process show without any I/O. */
import type { Limits, MappingInfo, ProcessView, ResourceUsage, SignalValue } from './api.js';
import { changedLimits, checkLimits } from './arguments.js';
import { mappings, mapsText } from './inspect.js';
import type { ProcessCore } from './process-core.js';

export abstract class ProcessFace implements Omit<ProcessView, 'table'> {
  constructor(
    /** What stands behind it. Not part of the API. */
    readonly process: ProcessCore,
  ) {}

  get id(): number {
    return this.process.id;
  }

  get name(): string {
    return this.process.name;
  }

  get alive(): boolean {
    return this.process.alive;
  }

  get killedBy(): SignalValue | null {
    return this.process.killedBy;
  }

  get dataEnd(): number {
    return this.process.dataEnd;
  }

  get limits(): Limits {
    return this.process.limits;
  }

  setLimits(limits: Partial<Limits>): void {
    checkLimits(limits);
    const { process } = this;
    process.ready();
    const changed = changedLimits(process.limits, limits);
    process.core.port.setStackLimit(process.vm, changed.stack);
    process.limits = changed;
  }

  usage(): ResourceUsage {
    return this.process.usage();
  }

  maps(): MappingInfo[] {
    const { process } = this;
    process.ready();
    return mappings(process.core, process.vm);
  }

  mapsText(): string {
    const { process } = this;
    process.ready();
    return mapsText(process.core, process.vm, process.core.name);
  }
}
