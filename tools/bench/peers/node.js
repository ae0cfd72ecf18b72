// Node's net module: data in, write out, no pipe. One thread. `node node.js PORT`
'use strict';

const net = require('net');

const port = Number(process.argv[2]);
if (process.argv.length !== 3 || !(port >= 1 && port <= 65535)) {
	console.error('usage: node.js PORT');
	process.exit(2);
}

const server = net.createServer({ noDelay: true }, (socket) => {
	const resume = () => socket.resume();
	socket.on('data', (chunk) => {
		if (!socket.write(chunk))
			socket.pause();
	});
	socket.on('drain', resume);
	socket.on('error', () => socket.destroy());
});
server.on('error', (error) => {
	console.error(error.message);
	process.exit(3);
});
server.listen({ port, host: '127.0.0.1', backlog: 4096 });
