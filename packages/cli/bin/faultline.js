#!/usr/bin/env node
/** The `faultline` command: starts what was built from src/main.ts. */
import '../dist/main.js';
