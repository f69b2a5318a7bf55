<?php
// SPDX-License-Identifier: Apache-2.0
$db = new PDO(getenv('DATABASE'), getenv('DATABASE_USER'), trim(file_get_contents(getenv('DATABASE_PASSWORD_FILE'))));

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
	$db->prepare('INSERT INTO entries (text) VALUES (?)')->execute([$_POST['text'] ?? '']);
	header('Location: /', true, 303);
	exit;
}
?>
<!DOCTYPE html>
<title>Guestbook</title>
<h1>Guestbook</h1>
<form method="post"><input name="text" autofocus><button>Write</button></form>
<ul>
<?php foreach ($db->query('SELECT text, at FROM entries ORDER BY id') as $entry): ?>
<li><?= htmlspecialchars($entry['text']) ?> <small><?= htmlspecialchars($entry['at']) ?></small></li>
<?php endforeach ?>
</ul>
