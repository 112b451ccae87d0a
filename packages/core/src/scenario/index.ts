/** The scenario language: read, run, print. */

export type { Action as ScenarioAction, Command as ScenarioCommand, Script } from './actions.js';
export * from './dragonfly-commands.js';
export type {
  DragonflyCommand,
  ExtensionAction,
  ExtensionCommand,
  ExtensionContext,
  ExtensionFactory,
  NetbsdCommand,
  ScenarioExtension,
} from './extensions.js';
export { nearest } from './nearest.js';
export { netbsdCommands } from './netbsd-commands.js';
export { type ParseResult, parseScenario, type ScriptError } from './parse.js';
export { PatternStore, patternPage } from './pattern.js';
export { FAULTS_PER_ACCESS_MAX, type FaultObserver, type RunEnd, type RunOptions, runScenario } from './run.js';
