/** npm run example -- vkernel: two address spaces of a guest kernel inside one DragonFly process, fault by fault. */
import { GuestKernel } from './vkernel.js';

const guest = new GuestKernel(64);
const red = guest.createSpace('red');
const blue = guest.createSpace('blue');
guest.switchTo(red);
guest.store(0x3000, 1);
guest.switchTo(blue);
guest.store(0x3000, 2);
guest.switchTo(red);
guest.story.push(`red reads ${guest.load(0x3000)}`);
process.stdout.write(`${guest.story.join('\n')}\n`);
